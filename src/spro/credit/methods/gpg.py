"""GPG, group policy gradient (Chu et al., arXiv 2504.02546)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import group_centered
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method, check_above_zero


@dataclass(frozen=True)
class GPG(Method):
    """The outcome minus the group's mean, scaled up by how few responses of the batch were rewarded.

        A[i,t] = B / max(1, number of responses with r != 0) * (r_i - mean_g) / f_norm

    As in verl's ``compute_gpg_outcome_advantage`` (0.9.1), where a group of one keeps its raw score; here it gets 0.

    Attributes:
        f_norm: divides the advantage; a constant of the paper's F_norm, in units of reward.
    """

    f_norm: float = 1.0
    name: ClassVar[str] = "gpg"

    def __post_init__(self) -> None:
        check_above_zero(f_norm=self.f_norm)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        rewarded = batch.outcome_rewards.count_nonzero().clamp(min=1)
        alpha = len(batch.outcome_rewards) / rewarded
        outcome = alpha * group_centered(batch.outcome_rewards, batch.group_ids) / self.f_norm
        return {"outcome": whole_response(outcome, batch.response_mask)}
