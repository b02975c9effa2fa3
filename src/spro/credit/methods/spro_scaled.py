"""SPRO whose process term is held to a share of the outcome term."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero, check_at_least_zero
from spro.credit.baselines import masked_std
from spro.credit.batch import TokenBatch
from spro.credit.methods.method import Scope
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROScaled(SPRO):
    """SPRO whose MSA is scaled to a set share of the outcome's spread over the batch.

        A = outcome + share * std(outcome) / (std(MSA) + msa_eps) * MSA

    So the weight of the process neither depends on beta nor grows with the policy's drift. A batch without outcome
    signal has no process signal either.

    Attributes:
        share: of the spread of the outcome term.
        beta: reward per nat of log-ratio; only its size beside ``msa_eps`` matters.
        std_eps: added to the standard deviation of the outcome.
        msa_eps: added to the spread of MSA, in units of reward; keeps the rounding of float32 log-probs (1e-6 nats a
            token) from being blown up while the policy still equals the reference.
    """

    share: float = 0.1
    msa_eps: float = 1e-3
    name: ClassVar[str] = "spro_scaled"
    scope: ClassVar[Scope] = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_zero(share=self.share)
        check_above_zero(msa_eps=self.msa_eps)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """Outcome and scaled process term."""
        outcome, msa = self.outcome(batch), self.msa(batch)
        spread, own_spread = masked_std(outcome, batch.response_mask), masked_std(msa, batch.response_mask)
        return {"outcome": outcome, "msa": self.share * spread / (own_spread + self.msa_eps) * msa}
