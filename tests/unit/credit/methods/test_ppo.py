from dataclasses import replace

import pytest
import torch

from spro.credit import PPO, Method, TokenBatch
from spro.credit.flows import generalized_advantage
from spro.credit.methods.ppo import PPOWithKL
from spro.credit.sources import at_last_token
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
from tests.unit.credit.loops import assert_matches, log_ratios, plain, whitened, written


def gae(batch: TokenBatch, gamma: float, lam: float, kl_reward_coef: float = 0.0) -> list[list[float]]:
    """The textbook's loop, backwards over the tokens that the policy wrote."""
    p = plain(batch)
    ratio = log_ratios(p.old_log_probs, p.ref_log_probs, p.response_mask)
    advantages = [[0.0] * len(here) for here in p.response_mask]
    for i, here in enumerate(p.response_mask):
        reward_to_come, next_value, next_advantage = p.outcome_rewards[i], 0.0, 0.0
        for t in reversed(written(here)):
            reward = reward_to_come - kl_reward_coef * ratio[i][t]
            delta = reward + gamma * next_value - p.values[i][t]
            next_advantage = delta + gamma * lam * next_advantage
            advantages[i][t] = next_advantage
            next_value, reward_to_come = p.values[i][t], 0.0
    return advantages


def loop(batch: TokenBatch, gamma: float, lam: float, kl_reward_coef: float = 0.0) -> list[list[float]]:
    return whitened(gae(batch, gamma, lam, kl_reward_coef), batch.response_mask.tolist())


def lambda_returns(batch: TokenBatch, gamma: float, lam: float, kl_reward_coef: float = 0.0) -> list[list[float]]:
    """What the critic is to say: a reward, and behind it a mixture of the next value and the next return."""
    p = plain(batch)
    ratio = log_ratios(p.old_log_probs, p.ref_log_probs, p.response_mask)
    targets = [[0.0] * len(here) for here in p.response_mask]
    for i, here in enumerate(p.response_mask):
        reward_to_come, next_value, next_target = p.outcome_rewards[i], 0.0, 0.0
        for t in reversed(written(here)):
            reward = reward_to_come - kl_reward_coef * ratio[i][t]
            next_target = reward + gamma * ((1 - lam) * next_value + lam * next_target)
            targets[i][t] = next_target
            next_value, reward_to_come = p.values[i][t], 0.0
    return targets


@for_random_batches(shares, shares)
def test_against_the_loop(batch: TokenBatch, gamma: float, lam: float) -> None:
    method = PPO(gamma=gamma, lam=lam)
    assert_matches(method(batch), loop(batch, gamma, lam))


@for_random_batches(shares, shares, small)
def test_with_kl_against_the_loop(batch: TokenBatch, gamma: float, lam: float, kl_reward_coef: float) -> None:
    method = PPOWithKL(gamma=gamma, lam=lam, kl_reward_coef=kl_reward_coef)
    assert_matches(method(batch), loop(batch, gamma, lam, kl_reward_coef))


@for_random_batches(shares, shares)
def test_what_the_critic_learns_against_the_loop(batch: TokenBatch, gamma: float, lam: float) -> None:
    assert_matches(PPO(gamma=gamma, lam=lam).returns(batch), lambda_returns(batch, gamma, lam))


@for_random_batches(shares, shares, small)
def test_what_the_critic_learns_with_kl_against_the_loop(
    batch: TokenBatch, gamma: float, lam: float, kl_reward_coef: float
) -> None:
    method = PPOWithKL(gamma=gamma, lam=lam, kl_reward_coef=kl_reward_coef)
    assert_matches(method.returns(batch), lambda_returns(batch, gamma, lam, kl_reward_coef))


def test_what_the_critic_learns_by_hand() -> None:
    # A = [0.5 * 0.25 - 0.5, 0.5 * 0.75 - 0.25, 1 - 0.75] with lam 0, and V on top: r + gamma * V of the next state.
    batch = single(values=floats([0.5, 0.25, 0.75]))
    torch.testing.assert_close(PPO(gamma=0.5, lam=0.0).returns(batch), floats([0.125, 0.375, 1.0]))
    torch.testing.assert_close(PPO().returns(batch), floats([1.0, 1.0, 1.0]))


def test_no_gradient_flows_into_what_the_critic_learns() -> None:
    batch = single(values=floats([0.5, 0.25, 0.75]).requires_grad_())
    assert not PPO().returns(batch).requires_grad


def test_generalized_advantage_by_hand() -> None:
    # delta = [0.5 * 0.25 - 0.5, 0.5 * 0.75 - 0.25, 1 - 0.75] = [-0.375, 0.125, 0.25], carried on with 0.5 * 0.5.
    advantage = generalized_advantage(
        floats([0, 0, 1]), floats([0.5, 0.25, 0.75]), bools([1, 1, 1]), gamma=0.5, lam=0.5
    )
    torch.testing.assert_close(advantage, floats([-0.375 + 0.1875 / 4, 0.125 + 0.25 / 4, 0.25]))


def test_by_hand() -> None:
    # r - V = [1, 0, -1], which has the mean 0 and the variance 1 already.
    batch = single(values=floats([0, 1, 2]))
    torch.testing.assert_close(PPO()(batch), floats([1, 0, -1]))


def test_with_kl_by_hand() -> None:
    # Rewards [-1, 0, 1 + 1], returns [1, 2, 2], minus the values [0, 2, 3]: [1, 0, -1].
    batch = single(values=floats([0, 2, 3]), old_log_probs=floats([-1, -1, -3]), ref_log_probs=floats([-3, -1, -1]))
    torch.testing.assert_close(PPOWithKL(kl_reward_coef=0.5)(batch), floats([1, 0, -1]))


@for_random_batches()
def test_both_factors_one_is_the_reward_minus_the_value(batch: TokenBatch) -> None:
    mask = batch.response_mask
    rewards = at_last_token(batch.outcome_rewards, mask)
    expected = (batch.outcome_rewards[:, None] - batch.values).masked_fill(~mask, 0.0)
    advantage = generalized_advantage(rewards, batch.values, mask, gamma=1.0, lam=1.0)
    torch.testing.assert_close(advantage, expected)


@pytest.mark.parametrize("method", [PPO(gamma=0.9, lam=0.7), PPOWithKL(gamma=0.9, lam=0.7)])
@for_random_batches()
def test_tokens_of_a_tool_pass_through(method: Method, batch: TokenBatch) -> None:
    without_holes, came_from = moved_left(batch)
    torch.testing.assert_close(method(without_holes), method(batch).gather(1, came_from))


@for_random_batches(shares, shares)
def test_no_penalty_is_ppo(batch: TokenBatch, gamma: float, lam: float) -> None:
    with_kl = PPOWithKL(gamma=gamma, lam=lam, kl_reward_coef=0.0)
    torch.testing.assert_close(with_kl(batch), PPO(gamma=gamma, lam=lam)(batch))


@for_random_batches(shares)
def test_a_critic_that_knows_the_outcome_leaves_nothing(batch: TokenBatch, lam: float) -> None:
    perfect = replace(batch, values=batch.outcome_rewards[:, None].expand(batch.shape))
    advantages = PPO(lam=lam)(perfect)
    torch.testing.assert_close(advantages, torch.zeros_like(advantages), rtol=0, atol=1e-9)


def test_impossible_hyper_parameters() -> None:
    assert_refused(PPO, gamma=NO_SHARE, lam=NO_SHARE)
    assert_refused(PPOWithKL, gamma=NO_SHARE, lam=NO_SHARE, kl_reward_coef=NEGATIVE)
