"""PPO's clip (Schulman et al., arXiv 1707.06347)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above, check_between
from spro.loss.surrogate import SampledTokens, Surrogate, clip_decides, clipped_objective


@dataclass(frozen=True)
class PPOClip(Surrogate):
    """The ratio of each token, clipped where going further would be rewarded (Eq. 7; SPRO Eq. 14).

        min(rho A, clip(rho, 1 - clip_ratio_low, 1 + clip_ratio_high) A)

    Attributes:
        clip_ratio_low: how far the ratio may fall below 1 at a bad token; in (0, 1). PPO's 0.2.
        clip_ratio_high: how far it may rise above 1 at a good token. PPO's 0.2; DAPO takes 0.28.

    Raises:
        BatchError: a clip radius is impossible.
    """

    clip_ratio_low: float = 0.2
    clip_ratio_high: float = 0.2
    name: ClassVar[str] = "ppo"

    def __post_init__(self) -> None:
        check_between("clip_ratio_low", self.clip_ratio_low, 0.0, 1.0)
        check_above("clip_ratio_high", self.clip_ratio_high, 0.0)

    def objective(self, tokens: SampledTokens) -> Float[Tensor, "B T"]:
        """The equation."""
        return clipped_objective(tokens.ratio, tokens.advantages, self.clip_ratio_low, self.clip_ratio_high)

    def clips(self, tokens: SampledTokens) -> Bool[Tensor, "B T"]:
        """Where the clipped side decides; the token has no gradient."""
        return clip_decides(tokens.ratio, tokens.advantages, self.clip_ratio_low, self.clip_ratio_high)
