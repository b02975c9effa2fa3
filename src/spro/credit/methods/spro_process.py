"""SPRO's process term alone."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.batch import TokenBatch
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROProcess(SPRO):
    """Masked Step Advantage without an outcome: the ablation that the paper's reviewers miss.

        A[i,t] = MSA[i,t]

    No reward enters, so this cannot learn the task; it shows where the process term alone leads.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: without effect here.
    """

    name: ClassVar[str] = "spro_process"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The process term alone."""
        return {"msa": self.msa(batch)}
