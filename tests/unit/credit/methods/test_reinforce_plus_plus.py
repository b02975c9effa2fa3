import torch

from spro.credit import TokenBatch
from spro.credit.baselines import whitened as whiten
from spro.credit.flows import whole_response
from spro.credit.methods.dr_grpo import DrGRPO
from spro.credit.methods.reinforce_plus_plus import ReinforcePlusPlus, ReinforcePlusPlusBaseline
from tests.unit.credit.examples import (
    NEGATIVE,
    NO_SHARE,
    assert_refused,
    bools,
    floats,
    for_random_batches,
    moved_left,
    shares,
    single,
    small,
)
from tests.unit.credit.loops import assert_matches, centered, log_ratios, plain, returns, spread, whitened, written


def loop(batch: TokenBatch, kl_reward_coef: float, gamma: float) -> list[list[float]]:
    p = plain(batch)
    ratio = log_ratios(p.old_log_probs, p.ref_log_probs, p.response_mask)
    rewards = [[-kl_reward_coef * x for x in row] for row in ratio]
    for i, here in enumerate(p.response_mask):
        if written(here):
            rewards[i][written(here)[-1]] += p.outcome_rewards[i]
    return whitened(returns(rewards, p.response_mask, gamma), p.response_mask)


def loop_baseline(batch: TokenBatch) -> list[list[float]]:
    p = plain(batch)
    return whitened(spread(centered(p.outcome_rewards, p.group_ids), p.response_mask), p.response_mask)


@for_random_batches(small, shares)
def test_against_the_loop(batch: TokenBatch, kl_reward_coef: float, gamma: float) -> None:
    method = ReinforcePlusPlus(kl_reward_coef=kl_reward_coef, gamma=gamma)
    assert_matches(method(batch), loop(batch, kl_reward_coef, gamma))


@for_random_batches()
def test_baseline_against_the_loop(batch: TokenBatch) -> None:
    assert_matches(ReinforcePlusPlusBaseline()(batch), loop_baseline(batch))


def test_by_hand() -> None:
    # Log-ratios [-2, -2, 2] at 0.5 a nat: rewards [1, 1, 1 - 1], returns [2, 1, 0], of mean 1 and variance 1.
    batch = single(old_log_probs=floats([-3, -3, -1]), ref_log_probs=floats([-1, -1, -3]))
    torch.testing.assert_close(ReinforcePlusPlus(kl_reward_coef=0.5)(batch), floats([1, 0, -1]))


def test_discount_by_hand() -> None:
    # Paid 4 at the end, discounted by 1/2 a token: [1, 2, 4], of mean 7/3 and variance 7/3.
    batch = single(outcome_rewards=floats(4.0), old_log_probs=floats([0, 0, 0]), ref_log_probs=floats([0, 0, 0]))
    expected = floats([-4, -1, 5]) / 3 / (7 / 3) ** 0.5
    torch.testing.assert_close(ReinforcePlusPlus(gamma=0.5)(batch), expected)


def test_baseline_by_hand() -> None:
    # Rewards 5, 4 and 3 of one prompt, minus 4; the group of one is 0 and takes part in the deviation: sqrt(2/3).
    batch = TokenBatch(bools([1], [1], [1], [1]), torch.tensor([0, 0, 0, 1]), floats(5.0, 4.0, 3.0, 9.0))
    torch.testing.assert_close(ReinforcePlusPlusBaseline()(batch), floats([1], [0], [-1], [0]) * 1.5**0.5)


@for_random_batches()
def test_without_penalty_and_discount_is_the_outcome_whitened(batch: TokenBatch) -> None:
    expected = whiten(whole_response(batch.outcome_rewards, batch.response_mask), batch.response_mask)
    torch.testing.assert_close(ReinforcePlusPlus(kl_reward_coef=0.0)(batch), expected)


@for_random_batches()
def test_baseline_is_dr_grpo_whitened(batch: TokenBatch) -> None:
    torch.testing.assert_close(ReinforcePlusPlusBaseline()(batch), whiten(DrGRPO()(batch), batch.response_mask))


@for_random_batches(small, shares)
def test_the_return_is_carried_over_the_tokens_of_a_tool(
    batch: TokenBatch, kl_reward_coef: float, gamma: float
) -> None:
    method = ReinforcePlusPlus(kl_reward_coef=kl_reward_coef, gamma=gamma)
    without_holes, came_from = moved_left(batch)
    torch.testing.assert_close(method(without_holes), method(batch).gather(1, came_from))


def test_impossible_hyper_parameters() -> None:
    assert_refused(ReinforcePlusPlus, kl_reward_coef=NEGATIVE, gamma=NO_SHARE)
