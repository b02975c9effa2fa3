"""SPRO brought to scale by whitening: over the batch, or at each step."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero
from spro.credit.baselines import same_step_std, whitened
from spro.credit.batch import TokenBatch
from spro.credit.methods.method import Scope
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROWhitened(SPRO):
    """SPRO's advantage whitened over all tokens of the batch, as PRIME's is.

        A = whiten( outcome + MSA )

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
    """

    name: ClassVar[str] = "spro_whitened"
    scope: ClassVar[Scope] = "batch"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes outcome and process."""
        return {"whitened": whitened(self.outcome(batch) + self.msa(batch), batch.response_mask)}


@dataclass(frozen=True)
class SPROStepWhitened(SPRO):
    """SPRO whose MSA is divided by its deviation over the living members at the same token.

        MSA[i,t] = (CPR[i,t] - mean over the living) / (std over the living + msa_eps)

    So beta only matters beside ``msa_eps``, and the process term is as large as the outcome term however little the
    policy has moved; while it equals the reference both numerator and deviation are 0, and so is the term.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
        msa_eps: added to the deviation of CPR, in units of reward; well above the rounding of float32 log-probs
            (1e-6 nats a token), which would be blown up to size 1 otherwise.
    """

    msa_eps: float = 1e-3
    name: ClassVar[str] = "spro_step_whitened"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero(msa_eps=self.msa_eps)

    def msa(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """In place of Eq. 12."""
        msa = super().msa(batch)
        return msa / (same_step_std(msa, batch.response_mask, batch.group_ids) + self.msa_eps)
