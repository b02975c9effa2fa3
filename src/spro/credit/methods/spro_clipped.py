"""SPRO whose process term is clipped."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_at_least_zero
from spro.credit.batch import TokenBatch
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROClipped(SPRO):
    """SPRO whose MSA cannot leave a band, however far the policy drifts.

        A = outcome + clip(MSA, -msa_limit, msa_limit)

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
        msa_limit: in units of the outcome term, whose deviation is 1.
    """

    msa_limit: float = 0.2
    name: ClassVar[str] = "spro_clipped"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_zero(msa_limit=self.msa_limit)

    def msa(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Eq. 12, clipped."""
        return super().msa(batch).clamp(-self.msa_limit, self.msa_limit)
