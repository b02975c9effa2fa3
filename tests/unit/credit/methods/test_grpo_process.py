from dataclasses import replace

import torch

from spro.credit import GRPO, TokenBatch
from spro.credit.baselines import pooled_standardized
from spro.credit.methods.grpo_process import GRPOProcess
from spro.credit.reduce import group_sum
from tests.unit.credit.examples import (
    NOT_ABOVE_ZERO,
    assert_refused,
    bools,
    floats,
    for_random_batches,
    pair,
    small,
)
from tests.unit.credit.loops import (
    assert_matches,
    mean,
    members,
    plain,
    step_tokens,
    steps_of,
    unbiased_std,
    written,
)


def loop(batch: TokenBatch, std_eps: float) -> list[list[float]]:
    p = plain(batch)
    result = [[0.0] * len(here) for here in p.response_mask]
    for i, here in enumerate(p.response_mask):
        pooled = [r for k in members(p.group_ids, i) for r in steps_of(p.step_rewards[k], p.step_mask[k])]
        ends = {j: max(tokens) for j, tokens in step_tokens(p.step_ids[i], here).items()}
        for t in written(here):
            for j, end in ends.items():
                if end >= t:
                    result[i][t] += (p.step_rewards[i][j] - mean(pooled)) / (unbiased_std(pooled) + std_eps)
    return result


@for_random_batches(small)
def test_against_the_loop(batch: TokenBatch, std_eps: float) -> None:
    assert_matches(GRPOProcess(std_eps=std_eps)(batch), loop(batch, std_eps))


def test_by_hand() -> None:
    # The group's step rewards 4, 0 and 2 have the mean 2 and the deviation 2: standardized 1, -1 and 0.
    batch = pair(
        step_ids=torch.tensor([[0, 1], [0, -1]]),
        step_rewards=floats([4, 0], [2, 9]),
        step_mask=bools([1, 1], [1, 0]),
    )
    torch.testing.assert_close(GRPOProcess(std_eps=1e-9)(batch), floats([0, -1], [0, 0]))


def test_tokens_behind_the_last_step_get_zero() -> None:
    batch = pair(
        step_ids=torch.tensor([[0, -1], [0, -1]]),
        step_rewards=floats([2], [0]),
        step_mask=bools([1], [1]),
    )
    torch.testing.assert_close(GRPOProcess(std_eps=1e-9)(batch), floats([0.5**0.5, 0], [-(0.5**0.5), 0]))


def with_one_step_a_response(batch: TokenBatch) -> TokenBatch:
    written = batch.response_mask.any(dim=1, keepdim=True)
    return replace(
        batch,
        step_ids=torch.where(batch.response_mask, 0, -1),
        step_rewards=batch.outcome_rewards[:, None],
        step_values=None,
        step_mask=written,
    )


@for_random_batches(small)
def test_one_step_that_ends_at_the_last_token_is_grpo(batch: TokenBatch, std_eps: float) -> None:
    filled = replace(batch, response_mask=batch.response_mask | (torch.arange(batch.shape[1]) == 0))
    one_step = with_one_step_a_response(filled)
    torch.testing.assert_close(
        GRPOProcess(std_eps=std_eps)(one_step), GRPO(std_eps=std_eps)(one_step), rtol=0, atol=1e-6
    )


@for_random_batches(small)
def test_standardized_step_rewards_sum_to_zero_over_the_group(batch: TokenBatch, std_eps: float) -> None:
    standardized = pooled_standardized(batch.step_rewards, batch.step_mask, batch.group_ids, std_eps)
    sums = group_sum(standardized.sum(dim=1), batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-6)


def test_equal_step_rewards_that_have_no_exact_mean_give_zero_exactly() -> None:
    batch = with_one_step_a_response(
        TokenBatch(torch.ones(7, 1, dtype=torch.bool), torch.zeros(7, dtype=torch.long), torch.full((7,), 0.1))
    )
    assert torch.equal(GRPOProcess(std_eps=1e-6)(batch), GRPO(std_eps=1e-6)(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(GRPOProcess, std_eps=NOT_ABOVE_ZERO)
