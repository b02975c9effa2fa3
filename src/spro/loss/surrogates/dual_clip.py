"""Dual-clip PPO (Ye et al., "Mastering complex control in MOBA games", arXiv 1912.09729)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above
from spro.loss.surrogate import importance_ratio
from spro.loss.surrogates.ppo import PPOClip


@dataclass(frozen=True)
class DualClip(PPOClip):
    """PPO's clip with a floor for bad tokens that became much more likely; verl's default.

        max(min(rho A, clip(rho) A), c A)    where A < 0
        min(rho A, clip(rho) A)              elsewhere

    PPO alone lets rho A fall without bound there, and a single token can decide the whole gradient.

    Attributes:
        clip_ratio_low: see ``PPOClip``.
        clip_ratio_high: see ``PPOClip``.
        clip_ratio_c: largest ratio that counts at a bad token; above 1. The paper's 3.

    Raises:
        BatchError: a clip radius is impossible.
    """

    clip_ratio_c: float = 3.0
    name: ClassVar[str] = "dual_clip"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("clip_ratio_c", self.clip_ratio_c, 1.0)

    def objective(
        self,
        log_probs: Float[Tensor, "B T"],
        old_log_probs: Float[Tensor, "B T"],
        advantages: Float[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B T"]:
        """The equation; where A >= 0 the floor is 0, which PPO's side never falls below."""
        floor = self.clip_ratio_c * advantages.clamp(max=0.0)
        return torch.maximum(super().objective(log_probs, old_log_probs, advantages, mask), floor)

    def clips(
        self,
        log_probs: Float[Tensor, "B T"],
        old_log_probs: Float[Tensor, "B T"],
        advantages: Float[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
    ) -> Bool[Tensor, "B T"]:
        """Where either clip decides; the token has no gradient."""
        at_floor = (advantages < 0) & (importance_ratio(log_probs, old_log_probs) > self.clip_ratio_c)
        return super().clips(log_probs, old_log_probs, advantages, mask) | at_floor
