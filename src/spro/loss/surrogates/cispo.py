"""CISPO, clipped importance weights (MiniMax-M1, arXiv 2506.13585)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above
from spro.loss.surrogate import SampledTokens, Surrogate


@dataclass(frozen=True)
class CISPO(Surrogate):
    """REINFORCE with the importance weight clipped; no token ever loses its gradient.

        sg(clip(rho, 1 - clip_ratio_low, 1 + clip_ratio_high)) A log pi

    The gradient is A clip(rho) grad log pi. PPO drops the rare tokens at which an answer turns ("however", "wait"),
    since their ratio moves first; here they keep a bounded weight.

    Where the paper is silent: it has no lower limit and gives no number for the upper one. So ``clip_ratio_low`` is 1,
    which is no limit (a ratio is never below 0), and the weight is cut at 5, as TRL takes from ScaleRL
    (arXiv 2510.13786), whose results move little from 4 to 8. verl would cut at its common 0.2, which is PPO's radius.

    Attributes:
        clip_ratio_low: how far the weight may fall below 1; above 0, and without effect from 1 on.
        clip_ratio_high: how far the weight may rise above 1.

    Raises:
        BatchError: a clip radius is impossible.
    """

    clip_ratio_low: float = 1.0
    clip_ratio_high: float = 4.0
    name: ClassVar[str] = "cispo"

    def __post_init__(self) -> None:
        check_above("clip_ratio_low", self.clip_ratio_low, 0.0)
        check_above("clip_ratio_high", self.clip_ratio_high, 0.0)

    def objective(self, tokens: SampledTokens) -> Float[Tensor, "B T"]:
        """The equation."""
        weights = tokens.ratio.clamp(1 - self.clip_ratio_low, 1 + self.clip_ratio_high).detach()
        return weights * tokens.advantages * tokens.log_probs

    def clips(self, tokens: SampledTokens) -> Bool[Tensor, "B T"]:
        """Where the weight was cut; unlike PPO's, the token keeps its gradient."""
        return (tokens.ratio < 1 - self.clip_ratio_low) | (tokens.ratio > 1 + self.clip_ratio_high)
