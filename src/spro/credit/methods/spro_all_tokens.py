"""SPRO with PRIME's grouping of all tokens."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import leave_one_out_tokens
from spro.credit.batch import TokenBatch
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROAllTokens(SPRO):
    """SPRO whose token is compared with all tokens of the other members, wherever they stand.

        MSA[i,t] = CPR[i,t] - mean over the members k != i of mean over t of CPR[k,t]

    One number a response is subtracted, as in PRIME; so how far the group has come at t is not taken out. The paper's
    reviewers ask whether SPRO needs its own grouping. Two things change beside SPRO: the grouping, and that the
    response itself is left out; ``spro_leave_one_out`` changes the second alone.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
    """

    name: ClassVar[str] = "spro_all_tokens"

    def msa(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """In place of Eq. 12."""
        return leave_one_out_tokens(self.cpr(batch), batch.response_mask, batch.group_ids)
