from dataclasses import replace

import pytest
import torch
from hypothesis import strategies as st

from spro.credit import Method, TokenBatch
from spro.credit.methods.dr_grpo import DrGRPO
from spro.credit.methods.gpg import GPG, GPGVerl
from spro.credit.reduce import group_std
from tests.unit.credit.examples import NOT_ABOVE_ZERO, assert_refused, example, floats, for_random_batches
from tests.unit.credit.loops import Row, Rows, assert_matches, mean, members, plain, spread

f_norms = st.floats(0.01, 10)


def advantages(batch: TokenBatch, counted: int, f_norm: float) -> Rows:
    p = plain(batch)
    rewards: Row = p.outcome_rewards
    alpha = len(rewards) / max(1, counted)
    outcomes = []
    for i, reward in enumerate(rewards):
        outcomes.append(alpha * (reward - mean([rewards[k] for k in members(p.group_ids, i)])) / f_norm)
    return spread(outcomes, p.response_mask)


def loop(batch: TokenBatch, f_norm: float) -> Rows:
    p = plain(batch)
    of_groups = [{p.outcome_rewards[k] for k in members(p.group_ids, i)} for i in range(len(p.group_ids))]
    uninformative = sum(len(rewards) == 1 for rewards in of_groups)
    return advantages(batch, len(of_groups) - uninformative, f_norm)


def loop_verl(batch: TokenBatch, f_norm: float) -> Rows:
    return advantages(batch, sum(reward != 0 for reward in plain(batch).outcome_rewards), f_norm)


@for_random_batches(f_norms)
def test_against_the_loop(batch: TokenBatch, f_norm: float) -> None:
    assert_matches(GPG(f_norm=f_norm)(batch), loop(batch, f_norm))


@for_random_batches(f_norms)
def test_verl_against_the_loop(batch: TokenBatch, f_norm: float) -> None:
    assert_matches(GPGVerl(f_norm=f_norm)(batch), loop_verl(batch, f_norm))


def test_by_hand() -> None:
    # Group 1 is all wrong, so two of four responses tell something: alpha = 2; 2 * (1 - 1/2) / 4 = 1/4. In verl one of
    # four is rewarded: alpha = 4.
    batch = example(outcome_rewards=floats(1.0, 0.0, 0.0, 0.0))
    expected = 0.25 * floats([1, 1, 1], [0, 0, 0], [-1, -1, 0], [0, 0, 0])
    torch.testing.assert_close(GPG(f_norm=4.0)(batch), expected)
    torch.testing.assert_close(GPGVerl(f_norm=4.0)(batch), 2 * expected)


@pytest.mark.parametrize("method", [GPG(), GPGVerl()])
@pytest.mark.parametrize("reward", [0.0, 0.1])
def test_a_batch_of_equal_rewards_gets_zero(method: Method, reward: float) -> None:
    batch = TokenBatch(torch.ones(7, 2, dtype=torch.bool), torch.zeros(7, dtype=torch.long), torch.full((7,), reward))
    assert torch.equal(method(batch), torch.zeros(7, 2))


@for_random_batches()
def test_is_dr_grpo_when_every_response_counts(batch: TokenBatch) -> None:
    rewarded = replace(batch, outcome_rewards=batch.outcome_rewards + 1)
    torch.testing.assert_close(GPGVerl()(rewarded), DrGRPO()(rewarded))
    if (group_std(batch.outcome_rewards, batch.group_ids) > 0).all():
        torch.testing.assert_close(GPG()(batch), DrGRPO()(batch))


@for_random_batches(st.floats(0.1, 10))
def test_grows_with_the_scale_of_the_rewards(batch: TokenBatch, scale: float) -> None:
    scaled = replace(batch, outcome_rewards=scale * batch.outcome_rewards)
    torch.testing.assert_close(GPGVerl()(scaled), scale * GPGVerl()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(GPG, f_norm=NOT_ABOVE_ZERO)
    assert_refused(GPGVerl, f_norm=NOT_ABOVE_ZERO)
