from dataclasses import replace

import pytest
import torch
from hypothesis import strategies as st

from spro.credit import PRIME, RLOO, Method, TokenBatch
from spro.credit.baselines import leave_one_out_tokens
from spro.credit.methods.prime import PRIMERecipe, PRIMERepository, amplified_leave_one_out, implicit_reward
from spro.credit.reduce import group_size, is_alone, masked_mean
from spro.credit.sources import last_token
from tests.unit.credit.examples import (
    NEGATIVE,
    NO_SHARE,
    assert_refused,
    betas,
    floats,
    for_random_batches,
    moved_left,
    pair,
    shares,
)
from tests.unit.credit.loops import (
    Rows,
    added,
    against_others,
    against_tokens_of_others,
    assert_matches,
    at_last_token,
    log_ratios,
    members,
    plain,
    returns,
    scaled,
    spread,
    token_means,
    whitened,
    written,
)

coefs = st.floats(0.01, 10.0)


def loop(batch: TokenBatch, beta: float, gamma: float) -> Rows:
    p = plain(batch)
    rewards = scaled(beta, log_ratios(p.prm_log_probs, p.ref_log_probs, p.response_mask))
    process = against_tokens_of_others(rewards, p.group_ids, p.response_mask)
    outcome = spread(against_others(p.outcome_rewards, p.group_ids), p.response_mask)
    return added(returns(process, p.response_mask, gamma), outcome)


def loop_normalized(rewards: Rows, group_ids: list[int], mask: list[list[bool]]) -> Rows:
    """Divided by the largest return of the batch, then (n q - sum of the group's token means) / (n - 1)."""
    largest = max(abs(value) for row in returns(rewards, mask) for value in row)
    q = scaled(1 / (largest + 1e-6), rewards)
    means = token_means(q, mask)
    result = [[0.0] * len(row) for row in q]
    for i, here in enumerate(mask):
        group = members(group_ids, i)
        for t in written(here) if len(group) > 1 else []:
            result[i][t] = (len(group) * q[i][t] - sum(means[k] for k in group)) / (len(group) - 1)
    return result


def loop_repository(batch: TokenBatch, gamma: float) -> Rows:
    p = plain(batch)
    q = log_ratios(p.prm_log_probs, p.ref_log_probs, p.response_mask)
    process = loop_normalized(q, p.group_ids, p.response_mask)
    outcome = at_last_token(against_others(p.outcome_rewards, p.group_ids), p.response_mask)
    return whitened(returns(added(process, outcome), p.response_mask, gamma), p.response_mask)


def loop_recipe(batch: TokenBatch, beta: float, process_coef: float, outcome_coef: float) -> Rows:
    p = plain(batch)
    q = scaled(beta, log_ratios(p.prm_log_probs, p.ref_log_probs, p.response_mask))
    for i, here in enumerate(p.response_mask):
        for t in written(here)[-1:]:
            q[i][t] = 0.0
    process = scaled(process_coef, loop_normalized(q, p.group_ids, p.response_mask))
    outcome = at_last_token(against_others(p.outcome_rewards, p.group_ids), p.response_mask)
    return whitened(returns(added(process, scaled(outcome_coef, outcome)), p.response_mask), p.response_mask)


@for_random_batches(betas, shares)
def test_against_the_loop(batch: TokenBatch, beta: float, gamma: float) -> None:
    assert_matches(PRIME(beta=beta, gamma=gamma)(batch), loop(batch, beta, gamma))


@for_random_batches(shares)
def test_repository_against_the_loop(batch: TokenBatch, gamma: float) -> None:
    assert_matches(PRIMERepository(gamma=gamma)(batch), loop_repository(batch, gamma))


@for_random_batches(betas, coefs, coefs)
def test_recipe_against_the_loop(batch: TokenBatch, beta: float, process_coef: float, outcome_coef: float) -> None:
    method = PRIMERecipe(beta=beta, process_coef=process_coef, outcome_coef=outcome_coef)
    assert_matches(method(batch), loop_recipe(batch, beta, process_coef, outcome_coef))


# A right response with the log-ratios 2 and 4, a wrong one with the log-ratio 6.
HAND = pair(prm_log_probs=floats([-1, -1], [-1, 9]), ref_log_probs=floats([-3, -5], [-7, 9]))


def test_by_hand() -> None:
    # Rewards [1, 2], [3] of means 3/2 and 3. Centered [-2, -1], [3/2]; returns [-5/2, -1], [3/2]; outcome 1, -1.
    torch.testing.assert_close(PRIME(beta=0.5, gamma=0.5)(HAND), floats([-1.5, 0], [0.5, 0]))


def test_repository_by_hand() -> None:
    # The largest return is 6: q = [1/3, 2/3], [1]; 2 q - 3/2 = [-5/6, -1/6], [1/2]; with the outcome at the last token
    # [-5/6, 5/6], [-1/2]; returns [0, 5/6], [-1/2]: mean 1/9, deviation 7 sqrt(3) / 18.
    expected = floats([-2, 13], [-11, 0]) / (7 * 3**0.5)
    torch.testing.assert_close(PRIMERepository()(HAND), expected, rtol=0, atol=1e-6)


def test_recipe_by_hand() -> None:
    # Without the last tokens q = [1, 0], [0]; 2 q - 1/2 = [3/2, -1/2], [-1/2]; with twice the outcome
    # [3/2, 3/2], [-5/2]; returns [3, 3/2], [-5/2]: mean 2/3, deviation sqrt(291) / 6.
    expected = floats([14, 5], [-19, 0]) / 291**0.5
    method = PRIMERecipe(beta=1.0, process_coef=1.0, outcome_coef=2.0)
    torch.testing.assert_close(method(HAND), expected, rtol=0, atol=1e-6)


def unlearned(batch: TokenBatch) -> TokenBatch:
    return replace(batch, prm_log_probs=batch.ref_log_probs)


@for_random_batches(betas, shares)
def test_a_reward_model_equal_to_the_reference_is_rloo(batch: TokenBatch, beta: float, gamma: float) -> None:
    torch.testing.assert_close(PRIME(beta=beta, gamma=gamma)(unlearned(batch)), RLOO()(batch))


@for_random_batches()
def test_repository_amplifies_the_deviation_from_the_own_mean(batch: TokenBatch) -> None:
    # Unlike the paper, by (q - own mean) / (n - 1); that is, the own deviation times n / (n - 1).
    mask, q = batch.response_mask, implicit_reward(batch, "prime")
    others = (group_size(batch.outcome_rewards, batch.group_ids) - 1).clamp(min=1)
    excess = ((q - masked_mean(q, mask)[:, None]) / others[:, None]).masked_fill(~mask, 0.0)
    excess = excess.masked_fill(is_alone(batch.group_ids)[:, None], 0.0)
    paper = leave_one_out_tokens(q, mask, batch.group_ids)
    torch.testing.assert_close(amplified_leave_one_out(q, mask, batch.group_ids), paper + excess)


@pytest.mark.parametrize("method", [PRIMERepository(), PRIMERecipe()])
@for_random_batches(st.floats(2, 100))
def test_the_scale_of_the_reward_model_is_divided_out(method: Method, batch: TokenBatch, scale: float) -> None:
    # Up to the 1e-6 beside the largest return; so the ratios are large here.
    large = replace(batch, prm_log_probs=batch.ref_log_probs + 1e4 * (1 + batch.prm_log_probs.square()))
    larger = replace(batch, prm_log_probs=batch.ref_log_probs + scale * (large.prm_log_probs - batch.ref_log_probs))
    torch.testing.assert_close(method(larger), method(large), rtol=0, atol=1e-5)


def test_the_scale_of_the_reward_model_acts_in_the_paper() -> None:
    larger = replace(HAND, ref_log_probs=2 * HAND.ref_log_probs - HAND.prm_log_probs)
    torch.testing.assert_close(PRIMERepository()(larger), PRIMERepository()(HAND), rtol=0, atol=1e-6)
    assert not torch.allclose(PRIME()(larger), PRIME()(HAND))


@for_random_batches()
def test_recipe_drops_the_reward_of_the_last_token(batch: TokenBatch) -> None:
    last = torch.arange(batch.shape[1]) == last_token(batch.response_mask)[:, None]
    changed = replace(batch, prm_log_probs=batch.prm_log_probs + 3.0 * last)
    torch.testing.assert_close(PRIMERecipe()(changed), PRIMERecipe()(batch), rtol=0, atol=1e-9)


def test_repository_pays_the_last_token() -> None:
    changed = replace(HAND, prm_log_probs=floats([-1, 2], [-1, 9]))
    assert not torch.allclose(PRIMERepository()(changed), PRIMERepository()(HAND))


@for_random_batches(st.floats(1, 10))
def test_only_the_ratio_of_the_coefficients_acts(batch: TokenBatch, coef: float) -> None:
    distinct = replace(batch, outcome_rewards=torch.arange(batch.shape[0], dtype=torch.float64))
    one, both = PRIMERecipe(process_coef=1.0, outcome_coef=1.0), PRIMERecipe(process_coef=coef, outcome_coef=coef)
    torch.testing.assert_close(both(distinct), one(distinct), rtol=0, atol=1e-5)


def test_the_ratio_of_the_coefficients_does_act() -> None:
    assert not torch.allclose(PRIMERecipe(process_coef=1.0)(HAND), PRIMERecipe()(HAND))


@pytest.mark.parametrize("method", [PRIME(gamma=0.5), PRIMERepository(gamma=0.5), PRIMERecipe()])
@for_random_batches()
def test_tokens_of_a_tool_pass_through(method: Method, batch: TokenBatch) -> None:
    without_holes, came_from = moved_left(batch)
    torch.testing.assert_close(method(without_holes), method(batch).gather(1, came_from))


def test_impossible_hyper_parameters() -> None:
    assert_refused(PRIME, beta=NEGATIVE, gamma=NO_SHARE)
    assert_refused(PRIMERepository, gamma=NO_SHARE)
    assert_refused(PRIMERecipe, beta=NEGATIVE, process_coef=NEGATIVE, outcome_coef=NEGATIVE)
