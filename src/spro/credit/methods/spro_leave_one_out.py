"""SPRO with a leave-one-out step baseline."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import others_step_advantage
from spro.credit.batch import TokenBatch
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROLeaveOneOut(SPRO):
    """SPRO whose token is compared with the other living members, itself left out.

        MSA[i,t] = CPR[i,t] - mean of CPR[k,t] over the members k != i that have a token at t

    That is SPRO's MSA times n / (n - 1), n the living at t; a member alone gets 0.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
    """

    name: ClassVar[str] = "spro_leave_one_out"

    def msa(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """In place of Eq. 12."""
        return others_step_advantage(self.cpr(batch), batch.response_mask, batch.group_ids)
