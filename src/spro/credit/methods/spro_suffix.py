"""SPRO with the return to go in place of the prefix sum."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.batch import TokenBatch
from spro.credit.flows import suffix_sum
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROSuffix(SPRO):
    """SPRO whose token is credited with what comes after it, as PRIME's is, and not with what came before.

        CPR[i,t] = beta * sum over j >= t of log pi_old(a_j|s_j) / pi_ref(a_j|s_j)

    The rest is SPRO: the mean over the living at t, and the outcome term.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
    """

    name: ClassVar[str] = "spro_suffix"

    def cpr(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """In place of Eq. 11."""
        return suffix_sum(self.process_reward(batch), batch.response_mask)
