"""GSPO, Group Sequence Policy Optimization (Zheng et al., arXiv 2507.18071)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above, check_between
from spro.loss.surrogate import Surrogate, clip_decides, clipped_objective

LOG_RATIO_LIMIT = 10.0
"""Largest log s before the exponential; verl's."""


def sequence_ratio(
    log_probs: Float[Tensor, "B T"], old_log_probs: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """The ratio of the whole response at each of its tokens; the gradient is that of the token.

    s[i,t] = sg(s_i) * pi(a_t) / sg(pi(a_t)),    s_i = exp(mean over t of log pi(a_t) - log pi_old(a_t))

    Log-probs off the mask must be 0.
    """
    tokens = mask.sum(dim=1, keepdim=True).clamp(min=1)
    mean_log_ratio = (log_probs - old_log_probs).sum(dim=1, keepdim=True) / tokens
    # The difference first: added to the mean it would lose the bits of a large log-prob.
    log_ratio = log_probs - log_probs.detach() + mean_log_ratio.detach()
    return log_ratio.clamp(max=LOG_RATIO_LIMIT).exp()


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

    def objective(
        self,
        log_probs: Float[Tensor, "B T"],
        old_log_probs: Float[Tensor, "B T"],
        advantages: Float[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B T"]:
        """The equation."""
        ratio = sequence_ratio(log_probs, old_log_probs, mask)
        return clipped_objective(ratio, advantages, self.clip_ratio_low, self.clip_ratio_high)

    def clips(
        self,
        log_probs: Float[Tensor, "B T"],
        old_log_probs: Float[Tensor, "B T"],
        advantages: Float[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
    ) -> Bool[Tensor, "B T"]:
        """Where the clipped side decides; the token has no gradient."""
        ratio = sequence_ratio(log_probs, old_log_probs, mask)
        return clip_decides(ratio, advantages, self.clip_ratio_low, self.clip_ratio_high)
