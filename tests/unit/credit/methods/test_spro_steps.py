from dataclasses import replace

import torch

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.methods.spro_steps import SPROSteps
from tests.unit.credit.examples import (
    NEGATIVE,
    NOT_ABOVE_ZERO,
    assert_refused,
    betas,
    example,
    floats,
    for_random_batches,
    moved_left,
    small,
    unmoved,
)
from tests.unit.credit.loops import (
    Rows,
    added,
    assert_matches,
    mean,
    members,
    outcome_term,
    plain,
    process_rewards,
    step_tokens,
)


def loop(batch: TokenBatch, beta: float, std_eps: float) -> Rows:
    p = plain(batch)
    rewards = process_rewards(p, beta)
    cpr: list[dict[int, float]] = []
    for row, ids, here in zip(rewards, p.step_ids, p.response_mask, strict=True):
        steps = step_tokens(ids, here)
        cpr.append({k: sum(row[t] for step in steps if step <= k for t in steps[step]) for k in steps})
    msa = [[0.0] * len(row) for row in rewards]
    for i, here in enumerate(p.response_mask):
        for k, tokens in step_tokens(p.step_ids[i], here).items():
            for t in tokens:
                msa[i][t] = cpr[i][k] - mean([cpr[m][k] for m in members(p.group_ids, i) if k in cpr[m]])
    return added(outcome_term(p, std_eps), msa)


@for_random_batches(betas, small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPROSteps(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


def test_process_term_by_hand() -> None:
    # CPR of group 0: 1, then 3 where it is alone; and 3. Of group 1: 0, and 2, whose second token is of no step.
    batch = example(step_ids=torch.tensor([[0, 1, 1], [0, -1, -1], [0, 0, -1], [0, -1, -1]]))
    expected = 0.5 * floats([-1, 0, 0], [-1, 0, 0], [1, 1, 0], [1, 0, 0])
    torch.testing.assert_close(SPROSteps(beta=0.5).terms(batch)["msa"], expected)


@for_random_batches(betas)
def test_one_token_a_step_is_spro_exactly(batch: TokenBatch, beta: float) -> None:
    without_holes, _ = moved_left(batch)
    tokens = torch.where(without_holes.response_mask, torch.arange(batch.shape[1]), -1)
    by_token = replace(without_holes, step_ids=tokens)
    assert torch.equal(SPROSteps(beta=beta)(by_token), SPRO(beta=beta)(by_token))


@for_random_batches(betas)
def test_where_a_step_stands_does_not_matter(batch: TokenBatch, beta: float) -> None:
    without_holes, came_from = moved_left(batch)
    method = SPROSteps(beta=beta)
    torch.testing.assert_close(method(without_holes), method(batch).gather(1, came_from))


@for_random_batches(betas)
def test_tokens_of_no_step_have_no_process_term(batch: TokenBatch, beta: float) -> None:
    msa = SPROSteps(beta=beta).terms(batch)["msa"]
    assert (msa[batch.step_ids < 0] == 0).all()
    nowhere = replace(batch, step_ids=torch.full_like(batch.step_ids, -1))
    assert torch.equal(SPROSteps(beta=beta)(nowhere), GRPO()(batch))


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROSteps(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROSteps, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
