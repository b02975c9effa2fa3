from dataclasses import replace

import torch
from hypothesis import strategies as st

from spro.credit import GRPO, TokenBatch
from spro.credit.methods.dr_grpo import DrGRPO
from spro.credit.reduce import group_std, group_sum
from tests.unit.credit.examples import example, floats, for_random_batches, of_one_token, small
from tests.unit.credit.loops import assert_matches, mean, members, plain, spread


def loop(batch: TokenBatch) -> list[list[float]]:
    p = plain(batch)
    rewards = p.outcome_rewards
    centered = [reward - mean([rewards[k] for k in members(p.group_ids, i)]) for i, reward in enumerate(rewards)]
    return spread(centered, p.response_mask)


@for_random_batches()
def test_against_the_loop(batch: TokenBatch) -> None:
    assert_matches(DrGRPO()(batch), loop(batch))


def test_by_hand() -> None:
    # Group 0 has the rewards 4 and 1, of mean 5/2; group 1 has 1 and 1.
    batch = example(outcome_rewards=floats(4.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(DrGRPO()(batch), floats([1.5, 1.5, 1.5], [0, 0, 0], [-1.5, -1.5, 0], [0, 0, 0]))


@for_random_batches()
def test_sums_to_zero_over_the_group(batch: TokenBatch) -> None:
    sums = group_sum(DrGRPO()(of_one_token(batch)), batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@for_random_batches(small)
def test_is_grpo_times_its_deviation(batch: TokenBatch, std_eps: float) -> None:
    deviation = group_std(batch.outcome_rewards, batch.group_ids)[:, None] + std_eps
    torch.testing.assert_close(GRPO(std_eps=std_eps)(batch) * deviation, DrGRPO()(batch))


@for_random_batches(st.floats(-5, 5), st.floats(0, 10))
def test_keeps_the_scale_and_drops_the_shift_of_the_rewards(batch: TokenBatch, shift: float, scale: float) -> None:
    changed = replace(batch, outcome_rewards=scale * batch.outcome_rewards + shift)
    torch.testing.assert_close(DrGRPO()(changed), scale * DrGRPO()(batch), rtol=0, atol=1e-12)
