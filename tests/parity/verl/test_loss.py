"""Our losses against verl 0.9.1's, on random ragged batches in float64: values, gradients and clip fractions."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ragged import TOLERANCE, Ragged, batches
from torch import Tensor
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig

from spro.loss import KL_ESTIMATORS, REDUCTIONS, SURROGATES, entropy_bonus, policy_loss, token_entropy, weighted_sum

NO_DUAL_CLIP = 1e12
OURS_OF_VERLS = {
    "vanilla, without dual clip": "ppo",
    "vanilla": "dual_clip",
    "gspo": "gspo",
    "cispo": "cispo",
}
MODES = ["token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm"]
KL_NAMES = {"k1": ["k1", "kl"], "k2": ["k2", "mse"], "k3": ["k3", "low_var_kl"], "k3+": ["k3+", "low_var_kl+"]}

clip = st.floats(0.01, 0.9)
seed = st.integers(0, 2**31)
# From ratios near 1 to ratios beyond the limits of both sides.
scale = st.sampled_from([0.05, 1.0, 15.0])


def config(**settings: Any) -> ActorConfig:
    return ActorConfig(strategy="fsdp", rollout_n=2, ppo_micro_batch_size_per_gpu=1, **settings)


def sampled(batch: Ragged, seed: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """New log-probs, old ones, advantages."""
    generator = torch.Generator().manual_seed(seed)
    log_probs = -scale * torch.rand(batch.ours.shape, generator=generator, dtype=torch.float64)
    old_log_probs = -scale * torch.rand(batch.ours.shape, generator=generator, dtype=torch.float64)
    advantages = torch.randn(batch.ours.shape, generator=generator, dtype=torch.float64)
    return log_probs.requires_grad_(), old_log_probs, advantages * batch.response_mask


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(loss, of)
    return result


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pair", OURS_OF_VERLS)
def test_surrogates(pair: str, mode: str) -> None:
    loss_mode, name = pair.split(",")[0], OURS_OF_VERLS[pair]
    dual = {"clip_ratio_c": 3.0} if name == "dual_clip" else {}

    @given(batches(tool_tokens=True), seed, scale, clip, clip)
    def agrees(batch: Ragged, seed: int, scale: float, low: float, high: float) -> None:
        log_probs, old_log_probs, advantages = sampled(batch, seed, scale)
        mask, (_, width) = batch.ours.response_mask, batch.ours.shape
        surrogate = SURROGATES[name](clip_ratio_low=low, clip_ratio_high=high, **dual)

        settings = config(
            clip_ratio_low=low,
            clip_ratio_high=high,
            clip_ratio_c=dual.get("clip_ratio_c", NO_DUAL_CLIP),
            global_batch_info={"loss_scale_factor": width},
        )
        theirs, metrics = core_algos.get_policy_loss_fn(loss_mode)(
            old_log_probs, log_probs, advantages, batch.response_mask, mode, settings
        )
        ours = policy_loss(surrogate, log_probs, old_log_probs, advantages, REDUCTIONS[mode](mask, width))
        torch.testing.assert_close(ours, theirs, **TOLERANCE)
        torch.testing.assert_close(gradient(ours, log_probs), gradient(theirs, log_probs), **TOLERANCE)

        clipped = surrogate.is_clipped(log_probs, old_log_probs, advantages, mask).sum() / mask.sum()
        assert clipped.item() == pytest.approx(
            metrics["actor/pg_clipfrac"] + metrics["actor/pg_clipfrac_lower"], abs=1e-6
        )

    agrees()


def test_every_reduction_has_a_mode() -> None:
    assert sorted(MODES) == sorted(REDUCTIONS)
    for mode in MODES:
        config(loss_agg_mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_reductions(mode: str) -> None:
    @given(batches(tool_tokens=True), seed, st.integers(1, 20))
    def agrees(batch: Ragged, seed: int, max_response_length: int) -> None:
        _, _, values = sampled(batch, seed, 1.0)
        theirs = core_algos.agg_loss(values, batch.response_mask, mode, loss_scale_factor=max_response_length)
        ours = weighted_sum(values, REDUCTIONS[mode](batch.ours.response_mask, max_response_length))
        torch.testing.assert_close(ours, theirs, **TOLERANCE)

    agrees()


@pytest.mark.parametrize(("name", "theirs"), [(name, alias) for name in KL_NAMES for alias in KL_NAMES[name]])
def test_kl_estimators(name: str, theirs: str) -> None:
    @given(batches(), seed, scale)
    def agrees(batch: Ragged, seed: int, scale: float) -> None:
        log_probs, ref_log_probs, _ = sampled(batch, seed, 2 * scale)
        expected = core_algos.kl_penalty(log_probs, ref_log_probs, theirs)
        actual = KL_ESTIMATORS[name](log_probs - ref_log_probs)
        torch.testing.assert_close(actual, expected, **TOLERANCE)
        expected, actual = gradient(expected.sum(), log_probs), gradient(actual.sum(), log_probs)
        torch.testing.assert_close(actual, expected, **TOLERANCE)

    agrees()


def test_every_kl_estimator_has_a_name() -> None:
    assert set(KL_NAMES) == set(KL_ESTIMATORS)


@pytest.mark.parametrize("mode", MODES)
def test_entropy(mode: str) -> None:
    @given(batches(tool_tokens=True), seed, st.sampled_from([0.1, 1.0, 30.0]))
    def agrees(batch: Ragged, seed: int, scale: float) -> None:
        mask, (rows, width) = batch.ours.response_mask, batch.ours.shape
        generator = torch.Generator().manual_seed(seed)
        logits = scale * torch.randn(rows, width, 7, generator=generator, dtype=torch.float64)
        logits.requires_grad_()
        theirs = core_algos.compute_entropy_loss(logits, batch.response_mask, mode)
        ours = -entropy_bonus(token_entropy(logits), REDUCTIONS[mode](mask, width), entropy_coef=1.0)
        torch.testing.assert_close(ours, theirs, **TOLERANCE)
        torch.testing.assert_close(gradient(ours, logits), gradient(theirs, logits), **TOLERANCE)

    agrees()
