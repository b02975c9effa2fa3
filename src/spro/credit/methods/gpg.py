"""GPG, group policy gradient (Chu et al., arXiv 2504.02546)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from spro.checks import check_above_zero
from spro.credit.baselines import group_centered
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method, Scope
from spro.credit.reduce import group_std


@dataclass(frozen=True)
class GPG(Method):
    """The outcome minus the group's mean, scaled up by how few responses stand in a group that tells anything.

        A[i,t] = B / max(1, B - M) * (r_i - mean_g) / f_norm,    M = responses in groups of equal rewards

    As in the paper's Eq. 7 and AMAP-ML/GPG at e096da8, where groups that are all right or all wrong are those of equal
    rewards.

    Attributes:
        f_norm: divides the advantage; the paper's F_norm as a constant, in units of reward.
    """

    f_norm: float = 1.0
    name: ClassVar[str] = "gpg"
    scope: ClassVar[Scope] = "batch"

    def __post_init__(self) -> None:
        check_above_zero(f_norm=self.f_norm)

    def informative(self, batch: TokenBatch) -> Bool[Tensor, " B"]:
        """Responses that the scale counts."""
        return group_std(batch.outcome_rewards, batch.group_ids) > 0

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        alpha = len(batch.outcome_rewards) / self.informative(batch).sum().clamp(min=1)
        outcome = alpha * group_centered(batch.outcome_rewards, batch.group_ids) / self.f_norm
        return {"outcome": whole_response(outcome, batch.response_mask)}


@dataclass(frozen=True)
class GPGVerl(GPG):
    """GPG as verl computes it (0.9.1, ``compute_gpg_outcome_advantage``): the scale counts the rewarded responses.

        A[i,t] = B / max(1, number of responses with r != 0) * (r_i - mean_g) / f_norm

    Another step size than the paper's: it grows as the task is hard, and not as groups agree. verl keeps the raw score
    of a group of one, which gets 0 here.

    Attributes:
        f_norm: divides the advantage, in units of reward.
    """

    name: ClassVar[str] = "gpg_verl"
    scope: ClassVar[Scope] = "batch"

    def informative(self, batch: TokenBatch) -> Bool[Tensor, " B"]:
        """Responses that the scale counts."""
        return batch.outcome_rewards != 0
