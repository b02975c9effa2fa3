"""GSPO, Group Sequence Policy Optimization (Zheng et al., arXiv 2507.18071)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above, check_between
from spro.loss.surrogate import SampledTokens, Surrogate, clip_decides, clipped_objective

LOG_SEQUENCE_RATIO_LIMIT = 10.0
"""Largest log s before the exponential; verl's."""


def sequence_ratio(tokens: SampledTokens) -> Float[Tensor, "B T"]:
    """The ratio of the whole response at each of its tokens; the gradient is that of the token.

    s[i,t] = sg(s_i) * pi(a_t) / sg(pi(a_t)),    s_i = exp(mean over t of log pi(a_t) - log pi_old(a_t))
    """
    length = tokens.mask.sum(dim=1, keepdim=True).clamp(min=1)
    mean_log_ratio = (tokens.log_probs - tokens.old_log_probs).sum(dim=1, keepdim=True) / length
    # The difference first: added to the mean it would lose the bits of a large log-prob.
    log_ratio = tokens.log_probs - tokens.log_probs.detach() + mean_log_ratio.detach()
    return log_ratio.clamp(max=LOG_SEQUENCE_RATIO_LIMIT).exp()


@dataclass(frozen=True)
class GSPO(Surrogate):
    """PPO's clip of the ratio of the whole response, the unit that is rewarded, in its token form.

        min(s A, clip(s, 1 - clip_ratio_low, 1 + clip_ratio_high) A),    s as in ``sequence_ratio``

    With one advantage a response this is the sequence objective of the paper (Eq. 5); with one a token it is its
    GSPO-token (Eq. 13). The paper reduces with ``seq-mean-token-mean``. A response is clipped as a whole, so the metric
    ``clip_fraction`` is far above PPO's.

    Attributes:
        clip_ratio_low: how far s may fall below 1; in (0, 1). The paper's 3e-4: s is a mean, and moves little.
        clip_ratio_high: how far s may rise above 1. The paper's 4e-4.

    Raises:
        BatchError: a clip radius is impossible.
    """

    clip_ratio_low: float = 3e-4
    clip_ratio_high: float = 4e-4
    name: ClassVar[str] = "gspo"

    def __post_init__(self) -> None:
        check_between("clip_ratio_low", self.clip_ratio_low, 0.0, 1.0)
        check_above("clip_ratio_high", self.clip_ratio_high, 0.0)

    def objective(self, tokens: SampledTokens) -> Float[Tensor, "B T"]:
        """The equation."""
        return clipped_objective(sequence_ratio(tokens), tokens.advantages, self.clip_ratio_low, self.clip_ratio_high)

    def clips(self, tokens: SampledTokens) -> Bool[Tensor, "B T"]:
        """Where the clipped side decides; the token has no gradient."""
        return clip_decides(sequence_ratio(tokens), tokens.advantages, self.clip_ratio_low, self.clip_ratio_high)
