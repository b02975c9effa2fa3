"""Surrogates: what is maximised at each token, unreduced. Axis legend: B responses, T positions."""

import torch
from jaxtyping import Float
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Largest |log rho| before the exponential (verl's ``compute_policy_loss_vanilla``): e^20 is finite in float32."""


def importance_ratio(log_probs: Float[Tensor, "B T"], old_log_probs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """rho[i,t] = pi(a_t|s_t) / pi_old(a_t|s_t)."""
    return (log_probs - old_log_probs).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()


def clipped_surrogate(
    log_probs: Float[Tensor, "B T"],
    old_log_probs: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    clip_ratio_low: float,
    clip_ratio_high: float,
) -> Float[Tensor, "B T"]:
    """PPO's clipped surrogate, to be maximised (arXiv 1707.06347 Eq. 7; SPRO Eq. 14 inside the sums).

        min(rho A, clip(rho, 1 - clip_ratio_low, 1 + clip_ratio_high) A)

    Log-probs off the mask must be finite; the scorer writes 0 there.
    """
    ratio = importance_ratio(log_probs, old_log_probs)
    clipped = ratio.clamp(1 - clip_ratio_low, 1 + clip_ratio_high)
    return torch.minimum(ratio * advantages, clipped * advantages)


def is_clipped(
    log_probs: Float[Tensor, "B T"],
    old_log_probs: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    clip_ratio_low: float,
    clip_ratio_high: float,
) -> Float[Tensor, "B T"]:
    """1 where the clip decides, so that the token has no gradient; its mean is the metric ``clip_fraction``."""
    ratio = importance_ratio(log_probs, old_log_probs)
    too_high = (advantages > 0) & (ratio > 1 + clip_ratio_high)
    too_low = (advantages < 0) & (ratio < 1 - clip_ratio_low)
    return (too_high | too_low).to(log_probs.dtype)
