"""SPRO whose process term redistributes the outcome."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero
from spro.credit.batch import TokenBatch
from spro.credit.methods.spro import SPRO
from spro.credit.reduce import masked_mean


@dataclass(frozen=True)
class SPROGated(SPRO):
    """GRPO's outcome advantage, shared out over the tokens of a response by their MSA.

        lean[i,t] = tanh( sign(outcome_i) * MSA[i,t] / temperature )
        A[i,t]    = outcome_i * (1 + (lean[i,t] - mean over t of lean[i]) / 2)

    The factor lies between 0 and 2 and its mean over a response is 1. So no token's sign is flipped, none counts more
    than twice, the credit of a response is that of GRPO, and without an outcome there is no credit: drift cannot feed
    on itself alone. In a right answer the tokens that stand above the group are credited most, in a wrong one those
    below it are blamed most.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
        temperature: MSA that leans three quarters of the way, in units of reward; without bound this is GRPO.
    """

    temperature: float = 1.0
    name: ClassVar[str] = "spro_gated"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero(temperature=self.temperature)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: the process only moves the outcome."""
        mask, outcome = batch.response_mask, self.outcome(batch)
        lean = (outcome.sign() * self.msa(batch) / self.temperature).tanh()
        factor = 1 + (lean - masked_mean(lean, mask)[:, None]) / 2
        return {"outcome": outcome * factor}
