import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import strategies as st

from spro.credit import Method, TokenBatch
from spro.credit.flows import soft_min_form
from spro.credit.methods.pure import PURE, PUREReturnBaseline, PUREStepBaseline, PUREStrict
from tests.unit.credit.examples import (
    NOT_ABOVE_ZERO,
    NOT_FINITE,
    assert_refused,
    bools,
    floats,
    for_random_batches,
    moved_left,
    pair,
)
from tests.unit.credit.loops import (
    Row,
    Rows,
    added,
    against_others,
    against_tokens_of_others,
    assert_matches,
    mean,
    mean_or_zero,
    others,
    plain,
    scaled,
    spread,
    step_tokens,
    steps_of,
    sums_of_steps_to_end,
    whitened,
    written,
)

temperatures = st.floats(0.02, 10)
coefs = st.floats(-2, 2)


def loop_min_form(p: SimpleNamespace, temperature: float) -> list[Row]:
    """r* of the steps of each response."""
    result = []
    for i in range(len(p.step_mask)):
        rewards = steps_of(p.step_rewards[i], p.step_mask[i])
        weights = [math.exp(-r / temperature) for r in rewards]
        result.append([r * w / math.fsum(weights) for r, w in zip(rewards, weights, strict=True)])
    return result


def loop(batch: TokenBatch, temperature: float, outcome_coef: float, by_step: bool) -> Rows:
    p = plain(batch)
    rewards = loop_min_form(p, temperature)
    compared = [[0.0] * len(row) for row in rewards]
    for i, here in enumerate(p.response_mask):
        rest = others(p.group_ids, i)
        tokens_of_rest = sum(len(written(p.response_mask[k])) for k in rest)
        for j, tokens in step_tokens(p.step_ids[i], here).items() if rest else []:
            if by_step:
                baseline = mean([mean_or_zero(rewards[k]) for k in rest])
            else:
                baseline = len(tokens) * sum(sum(rewards[k]) for k in rest) / max(1, tokens_of_rest)
            compared[i][j] = rewards[i][j] - baseline
    process = sums_of_steps_to_end(compared, p.step_ids, p.response_mask)
    outcome = spread(against_others(p.outcome_rewards, p.group_ids), p.response_mask)
    return whitened(added(process, scaled(outcome_coef, outcome)), p.response_mask)


def loop_return_baseline(batch: TokenBatch, temperature: float, outcome_coef: float, longest: int) -> Rows:
    p = plain(batch)
    process = sums_of_steps_to_end(loop_min_form(p, temperature), p.step_ids, p.response_mask)
    to_go = added(process, spread([outcome_coef * reward for reward in p.outcome_rewards], p.response_mask))
    compared = [[0.0] * len(row) for row in to_go]
    for i, here in enumerate(p.response_mask):
        rest = others(p.group_ids, i)
        for t in written(here) if rest else []:
            compared[i][t] = to_go[i][t] - sum(sum(to_go[k]) for k in rest) / (len(rest) * longest)
    return whitened(compared, p.response_mask)


def loop_strict(batch: TokenBatch, outcome_coef: float) -> Rows:
    p = plain(batch)
    smallest = [[0.0] * len(here) for here in p.response_mask]
    for i, here in enumerate(p.response_mask):
        ends = {j: max(tokens) for j, tokens in step_tokens(p.step_ids[i], here).items()}
        for t in written(here):
            smallest[i][t] = min((p.step_rewards[i][j] for j, end in ends.items() if end >= t), default=0.0)
    process = against_tokens_of_others(smallest, p.group_ids, p.response_mask)
    outcome = spread(against_others(p.outcome_rewards, p.group_ids), p.response_mask)
    return whitened(added(process, scaled(outcome_coef, outcome)), p.response_mask)


@for_random_batches(temperatures, coefs)
def test_against_the_loop(batch: TokenBatch, temperature: float, outcome_coef: float) -> None:
    chosen = {"temperature": temperature, "outcome_coef": outcome_coef}
    assert_matches(PURE(**chosen)(batch), loop(batch, **chosen, by_step=False))
    assert_matches(PUREStepBaseline(**chosen)(batch), loop(batch, **chosen, by_step=True))


@for_random_batches(temperatures, coefs, st.integers(1, 9))
def test_return_baseline_against_the_loop(batch: TokenBatch, temperature: float, coef: float, longest: int) -> None:
    method = PUREReturnBaseline(temperature=temperature, outcome_coef=coef, max_response_length=longest)
    assert_matches(method(batch), loop_return_baseline(batch, temperature, coef, longest))


@for_random_batches(coefs)
def test_strict_against_the_loop(batch: TokenBatch, outcome_coef: float) -> None:
    assert_matches(PUREStrict(outcome_coef=outcome_coef)(batch), loop_strict(batch, outcome_coef))


# Right, in two steps of equal reward; wrong, in one step of two tokens. r* is [0.2, 0.2] and [0.6].
HAND = pair(
    response_mask=bools([1, 1, 1], [1, 1, 0]),
    step_ids=torch.tensor([[0, 0, 1], [0, 0, -1]]),
    step_rewards=floats([0.4, 0.4], [0.6, 9]),
    step_mask=bools([1, 1], [1, 0]),
)


@pytest.mark.parametrize(
    ("method", "before_whitening"),
    [
        # b = [2, 1] * 0.6 / 2 and 2 * 0.4 / 3; returns [-0.5, -0.5, -0.1] and [1/3, 1/3]; outcome 1 and -1.
        (PURE(), [[0.5, 0.5, 0.9], [-2 / 3, -2 / 3, 0]]),
        # b = 0.6 and 0.2; returns [-0.8, -0.8, -0.4] and [0.4, 0.4].
        (PUREStepBaseline(), [[0.2, 0.2, 0.6], [-0.6, -0.6, 0]]),
        # R = [1.4, 1.4, 1.2] and [0.6, 0.6], minus 1.2 / 4 and 4 / 4.
        (PUREReturnBaseline(max_response_length=4), [[1.1, 1.1, 0.9], [-0.4, -0.4, 0]]),
        # V = 0.4 and 0.6, minus each other; outcome 1 and -1.
        (PUREStrict(), [[0.8, 0.8, 0.8], [-0.8, -0.8, 0]]),
    ],
)
def test_by_hand(method: Method, before_whitening: Rows) -> None:
    assert_matches(method(HAND), whitened(before_whitening, HAND.response_mask.tolist()))


def rewards_of(batch: TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
    cleared = batch.step_rewards.masked_fill(~batch.step_mask, 0.0)
    return cleared, batch.step_mask.any(dim=1)


@for_random_batches()
def test_cold_adds_up_to_the_minimum_and_hot_to_the_mean(batch: TokenBatch) -> None:
    cleared, has_steps = rewards_of(batch)
    smallest = batch.step_rewards.masked_fill(~batch.step_mask, math.inf).amin(dim=1)
    averages = cleared.sum(dim=1) / batch.step_mask.sum(dim=1)
    cold = soft_min_form(batch.step_rewards, batch.step_mask, 1e-9).sum(dim=1)
    hot = soft_min_form(batch.step_rewards, batch.step_mask, 1e9).sum(dim=1)
    torch.testing.assert_close(cold[has_steps], smallest[has_steps], rtol=0, atol=1e-6)
    torch.testing.assert_close(hot[has_steps], averages[has_steps], rtol=0, atol=1e-6)


@for_random_batches(temperatures)
def test_a_single_step_keeps_its_reward(batch: TokenBatch, temperature: float) -> None:
    first = batch.step_mask & (torch.arange(batch.step_mask.shape[1]) == 0)
    expected = batch.step_rewards.masked_fill(~first, 0.0)
    torch.testing.assert_close(soft_min_form(batch.step_rewards, first, temperature), expected)


@pytest.mark.parametrize(
    "method", [PURE(), PUREStepBaseline(), PUREReturnBaseline(max_response_length=9), PUREStrict()]
)
@for_random_batches()
def test_tokens_of_a_tool_pass_through(method: Method, batch: TokenBatch) -> None:
    without_holes, came_from = moved_left(batch)
    torch.testing.assert_close(method(without_holes), method(batch).gather(1, came_from))


@for_random_batches(st.floats(-3, 3))
def test_a_constant_on_all_outcomes_changes_nothing(batch: TokenBatch, constant: float) -> None:
    shifted = replace(batch, outcome_rewards=batch.outcome_rewards + constant)
    for method in (PURE(), PUREStepBaseline(), PUREStrict()):
        torch.testing.assert_close(method(shifted), method(batch), rtol=0, atol=1e-6)


def test_impossible_hyper_parameters() -> None:
    for method in (PURE, PUREStepBaseline, partial(PUREReturnBaseline, max_response_length=9)):
        assert_refused(method, temperature=NOT_ABOVE_ZERO, outcome_coef=NOT_FINITE)
    assert_refused(PUREReturnBaseline, max_response_length=(0, -1))
    assert_refused(PUREStrict, outcome_coef=NOT_FINITE)
    with pytest.raises(TypeError, match="max_response_length"):
        PUREReturnBaseline()  # type: ignore[call-arg]
