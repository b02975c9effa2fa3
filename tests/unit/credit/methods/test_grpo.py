import math

import torch
from hypothesis import strategies as st

from spro.credit import GRPO, TokenBatch
from spro.credit.reduce import group_sum
from tests.unit.credit.examples import (
    NOT_ABOVE_ZERO,
    assert_refused,
    example,
    floats,
    for_random_batches,
    of_one_token,
    small,
)
from tests.unit.credit.loops import assert_matches, mean, members, plain, spread, unbiased_std


def loop(batch: TokenBatch, std_eps: float) -> list[list[float]]:
    p = plain(batch)
    outcomes = []
    for i, reward in enumerate(p.outcome_rewards):
        group = [p.outcome_rewards[k] for k in members(p.group_ids, i)]
        outcomes.append((reward - mean(group)) / (unbiased_std(group) + std_eps))
    return spread(outcomes, p.response_mask)


@for_random_batches(small)
def test_against_the_loop(batch: TokenBatch, std_eps: float) -> None:
    assert_matches(GRPO(std_eps=std_eps)(batch), loop(batch, std_eps))


def test_by_hand() -> None:
    # Group 0 has the rewards 1 and 0: mean 1/2, unbiased deviation sqrt(1/2). Group 1 has equal rewards.
    a = 0.5 / (math.sqrt(0.5) + 1e-6)
    torch.testing.assert_close(GRPO()(example()), floats([a, a, a], [0, 0, 0], [-a, -a, 0], [0, 0, 0]))


@for_random_batches(small)
def test_sums_to_zero_over_the_group(batch: TokenBatch, std_eps: float) -> None:
    sums = group_sum(GRPO(std_eps=std_eps)(of_one_token(batch)), batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-6)


@for_random_batches(st.floats(0.1, 10), st.floats(-5, 5))
def test_scale_and_shift_of_the_rewards_change_nothing(batch: TokenBatch, scale: float, shift: float) -> None:
    rewards = (64 * batch.outcome_rewards).round() / 64
    before = TokenBatch(batch.response_mask, batch.group_ids, rewards)
    after = TokenBatch(batch.response_mask, batch.group_ids, scale * rewards + shift)
    torch.testing.assert_close(GRPO(std_eps=1e-9)(after), GRPO(std_eps=1e-9)(before), rtol=0, atol=1e-5)


def test_a_group_of_one_gets_zero() -> None:
    alone = example(group_ids=torch.tensor([0, 1, 2, 3]))
    assert torch.equal(GRPO()(alone), torch.zeros(4, 3, dtype=torch.float64))


def test_equal_rewards_that_have_no_exact_mean_give_zero_exactly() -> None:
    batch = TokenBatch(torch.ones(7, 1, dtype=torch.bool), torch.zeros(7, dtype=torch.long), torch.full((7,), 0.1))
    assert torch.equal(GRPO()(batch), torch.zeros(7, 1))


def test_impossible_hyper_parameters() -> None:
    assert_refused(GRPO, std_eps=NOT_ABOVE_ZERO)
