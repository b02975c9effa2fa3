"""Dual-clip PPO (Ye et al., "Mastering complex control in MOBA games", arXiv 1912.09729)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above
from spro.loss.surrogate import SampledTokens
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

    def objective(self, tokens: SampledTokens) -> Float[Tensor, "B T"]:
        """The equation; where A >= 0 the floor is 0, which PPO's side never falls below."""
        floor = self.clip_ratio_c * tokens.advantages.clamp(max=0.0)
        return torch.maximum(super().objective(tokens), floor)

    def clips(self, tokens: SampledTokens) -> Bool[Tensor, "B T"]:
        """Where either clip decides; the token has no gradient."""
        at_floor = (tokens.advantages < 0) & (tokens.ratio > self.clip_ratio_c)
        return super().clips(tokens) | at_floor
