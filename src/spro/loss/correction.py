"""What a token counts that another engine sampled. Axis legend: B responses, T positions."""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from spro.loss.surrogate import importance_ratio


class RolloutCorrection(Protocol):
    """(old log-probs by the trainer, log-probs by the engine that sampled) -> weight of each token, no gradient."""

    def __call__(
        self, old_log_probs: Float[Tensor, "B T"], rollout_log_probs: Float[Tensor, "B T"], /
    ) -> Float[Tensor, "B T"]:
        """At least 0; anything off the mask."""
        ...


@dataclass(frozen=True)
class NoCorrection:
    """The engine's log-probs are the trainer's: every token counts 1."""

    def __call__(
        self, old_log_probs: Float[Tensor, "B T"], rollout_log_probs: Float[Tensor, "B T"], /
    ) -> Float[Tensor, "B T"]:
        """Ones."""
        return torch.ones_like(old_log_probs)


@dataclass(frozen=True)
class TruncatedImportance:
    """min(pi_old(a_t|s_t) / pi_rollout(a_t|s_t), cap): truncated importance sampling, a token each.

    An engine with kernels of its own samples from a slightly different policy. Yao et al., "Your efficient RL framework
    secretly brings you off-policy RL training" (2025); ``rollout_is`` in verl, ``vllm_importance_sampling_cap`` in TRL,
    both with 2 as their default.

    Attributes:
        cap: bounds the variance at the price of a bias.
    """

    cap: float = 2.0

    def __call__(
        self, old_log_probs: Float[Tensor, "B T"], rollout_log_probs: Float[Tensor, "B T"], /
    ) -> Float[Tensor, "B T"]:
        """The weights."""
        return importance_ratio(old_log_probs, rollout_log_probs).clamp(max=self.cap).detach()
