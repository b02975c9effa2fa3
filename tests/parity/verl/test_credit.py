"""Our credit methods against verl 0.9.1's estimators, on random ragged batches in float64."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from ragged import TOLERANCE, Ragged, batches, quarters
from torch import Tensor
from verl.trainer.ppo import core_algos

from spro.credit import METHODS

share = st.floats(0.0, 1.0)

OF_OUTCOMES = {
    "grpo": ("grpo", {"norm_adv_by_std_in_grpo": True}),
    "dr_grpo": ("grpo", {"norm_adv_by_std_in_grpo": False}),
    "rloo": ("rloo", {}),
    "rloo, vectorized": ("rloo_vectorized", {}),
    "reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline", {}),
    "opo": ("opo", {}),
    "gpg_verl": ("gpg", {}),
}


def theirs(estimator: str, batch: Ragged, **arguments: Any) -> Tensor:
    advantages, _ = core_algos.get_adv_estimator_fn(estimator)(
        token_level_rewards=batch.token_level_rewards.clone(), response_mask=batch.response_mask, **arguments
    )
    return advantages


@pytest.mark.parametrize("pair", OF_OUTCOMES)
@pytest.mark.parametrize("tool_tokens", [False, True], ids=["no tool tokens", "tool tokens"])
def test_methods_of_outcomes(pair: str, tool_tokens: bool) -> None:
    method, (estimator, arguments) = METHODS[pair.split(",")[0]](), OF_OUTCOMES[pair]

    @given(batches(tool_tokens))
    def agrees(batch: Ragged) -> None:
        assume(batch.response_mask.sum() > 1)
        expected = theirs(estimator, batch, index=batch.index, **arguments)
        torch.testing.assert_close(method(batch.ours), expected, **TOLERANCE)

    agrees()


@given(batches(tool_tokens=True, rewards=quarters))
def test_vectorized_grpo_which_works_in_float32(batch: Ragged) -> None:
    expected = theirs("grpo_vectorized", batch, index=batch.index)
    torch.testing.assert_close(METHODS["grpo"]()(batch.ours), expected, rtol=1e-5, atol=1e-5)


@given(batches(), st.floats(0.1, 3.0))
def test_gpg_with_its_norm(batch: Ragged, f_norm: float) -> None:
    expected = theirs("gpg", batch, index=batch.index, f_norm=f_norm)
    torch.testing.assert_close(METHODS["gpg_verl"](f_norm=f_norm)(batch.ours), expected, **TOLERANCE)


@given(batches())
def test_remax(batch: Ragged) -> None:
    expected = theirs("remax", batch, reward_baselines=batch.ours.greedy_rewards)
    torch.testing.assert_close(METHODS["remax"]()(batch.ours), expected, **TOLERANCE)


def with_kl_penalty(batch: Ragged, kl_reward_coef: float) -> Ragged:
    """As verl's ``apply_kl_penalty`` with ``kl_penalty: kl``."""
    kl = core_algos.kl_penalty(batch.ours.old_log_probs, batch.ours.ref_log_probs, "kl") * batch.response_mask
    rewards = batch.token_level_rewards - kl_reward_coef * kl
    return Ragged(batch.ours, rewards, batch.response_mask, batch.index)


@given(batches(tool_tokens=True), st.floats(0.0, 0.5), share)
def test_reinforce_plus_plus(batch: Ragged, kl_reward_coef: float, gamma: float) -> None:
    assume(batch.response_mask.sum() > 1)
    penalized = with_kl_penalty(batch, kl_reward_coef)
    expected = theirs("reinforce_plus_plus", penalized, config=SimpleNamespace(gamma=gamma))
    actual = METHODS["reinforce_plus_plus"](kl_reward_coef=kl_reward_coef, gamma=gamma)(batch.ours)
    torch.testing.assert_close(actual, expected, **TOLERANCE)


def on_mask(advantages: Tensor, batch: Ragged) -> Tensor:
    """verl's GAE leaves numbers off the mask."""
    return advantages.masked_fill(batch.response_mask == 0, 0.0)


@given(batches(tool_tokens=True), share, share)
def test_ppo(batch: Ragged, gamma: float, lam: float) -> None:
    assume(batch.response_mask.sum() > 1)
    expected = on_mask(theirs("gae", batch, values=batch.ours.values, gamma=gamma, lam=lam), batch)
    actual = METHODS["ppo"](gamma=gamma, lam=lam)(batch.ours)
    torch.testing.assert_close(actual, expected, **TOLERANCE)


@given(batches(tool_tokens=True), st.floats(0.0, 0.5), share, share)
def test_ppo_with_kl(batch: Ragged, kl_reward_coef: float, gamma: float, lam: float) -> None:
    assume(batch.response_mask.sum() > 1)
    penalized = with_kl_penalty(batch, kl_reward_coef)
    expected = on_mask(theirs("gae", penalized, values=batch.ours.values, gamma=gamma, lam=lam), batch)
    actual = METHODS["ppo_kl"](gamma=gamma, lam=lam, kl_reward_coef=kl_reward_coef)(batch.ours)
    torch.testing.assert_close(actual, expected, **TOLERANCE)
