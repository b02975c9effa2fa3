"""What a surrogate is, and the pieces they share. Axis legend: B responses, T positions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Largest |log rho| before the exponential (verl's ``compute_policy_loss_vanilla``): e^20 is finite in float32."""


def importance_ratio(log_probs: Float[Tensor, "B T"], old_log_probs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """rho[i,t] = pi(a_t|s_t) / pi_old(a_t|s_t)."""
    return (log_probs - old_log_probs).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()


def clipped_objective(
    ratio: Float[Tensor, "B T"], advantages: Float[Tensor, "B T"], clip_ratio_low: float, clip_ratio_high: float
) -> Float[Tensor, "B T"]:
    """min(rho A, clip(rho, 1 - clip_ratio_low, 1 + clip_ratio_high) A) of any ratio rho."""
    clipped = ratio.clamp(1 - clip_ratio_low, 1 + clip_ratio_high)
    return torch.minimum(ratio * advantages, clipped * advantages)


def clip_decides(
    ratio: Float[Tensor, "B T"], advantages: Float[Tensor, "B T"], clip_ratio_low: float, clip_ratio_high: float
) -> Bool[Tensor, "B T"]:
    """True where ``clipped_objective`` takes the clipped side, so that the token has no gradient."""
    too_high = (advantages > 0) & (ratio > 1 + clip_ratio_high)
    too_low = (advantages < 0) & (ratio < 1 - clip_ratio_low)
    return too_high | too_low


@dataclass(frozen=True, eq=False)
class SampledTokens:
    """What a surrogate reads, 0 off the mask; its fields are those of ``Surrogate.__call__``."""

    log_probs: Float[Tensor, "B T"]
    old_log_probs: Float[Tensor, "B T"]
    advantages: Float[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]

    @property
    def ratio(self) -> Float[Tensor, "B T"]:
        """Rho."""
        return importance_ratio(self.log_probs, self.old_log_probs)


def on_mask(
    log_probs: Float[Tensor, "B T"],
    old_log_probs: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
) -> SampledTokens:
    """The tensors with 0 off the mask. Before any product: a where behind it would send 0 * NaN into the gradient."""
    return SampledTokens(
        log_probs.masked_fill(~mask, 0.0),
        old_log_probs.masked_fill(~mask, 0.0),
        advantages.masked_fill(~mask, 0.0),
        mask,
    )


class Surrogate(ABC):
    """What is maximised at each token: how far the new policy may use what the old one sampled.

    A subclass is a frozen dataclass. Its fields are its hyper-parameters and the only place of their defaults, its
    ``objective`` reads like its equation. While the policy is the one that sampled, the gradient of every surrogate is
    REINFORCE's, A * grad log pi.

    Example:
        >>> from spro.loss import SURROGATES
        >>> on_policy = torch.tensor([[-1.0, -2.0]])
        >>> SURROGATES["ppo"]()(on_policy, on_policy, torch.tensor([[0.5, -3.0]]), torch.tensor([[True, True]]))
        tensor([[ 0.5000, -3.0000]])
    """

    name: ClassVar[str]
    """The name by which configs and ``SURROGATES`` know the surrogate."""

    @abstractmethod
    def objective(self, tokens: SampledTokens) -> Float[Tensor, "B T"]:
        """The equation."""

    @abstractmethod
    def clips(self, tokens: SampledTokens) -> Bool[Tensor, "B T"]:
        """Where a clip of the surrogate decided."""

    def __call__(
        self,
        log_probs: Float[Tensor, "B T"],
        old_log_probs: Float[Tensor, "B T"],
        advantages: Float[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B T"]:
        """To be maximised: one number a token, unreduced; nothing off the mask is read, be it NaN.

        Args:
            log_probs: log pi(a_t | s_t) in nats, with gradient.
            old_log_probs: the same under the policy that sampled.
            advantages: in units of reward; no gradient.
            mask: True on response tokens.
        """
        return self.objective(on_mask(log_probs, old_log_probs, advantages, mask))

    def is_clipped(
        self,
        log_probs: Float[Tensor, "B T"],
        old_log_probs: Float[Tensor, "B T"],
        advantages: Float[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B T"]:
        """1 where a clip of the surrogate decided; its mean over the tokens is the metric ``clip_fraction``."""
        clips = self.clips(on_mask(log_probs, old_log_probs, advantages, mask))
        return (clips & mask).to(log_probs.dtype)
