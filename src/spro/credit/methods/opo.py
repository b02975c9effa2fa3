"""OPO, on-policy RL with the optimal reward baseline (Hao et al., arXiv 2505.23585)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import length_weighted
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method


@dataclass(frozen=True)
class OPO(Method):
    """The outcome minus the group's mean weighted by length, at every token.

        A[i,t] = r_i - sum of |y_k| r_k / sum of |y_k|,    k over the group

    The baseline of least variance if the squared norm of a response's gradient grows with its length.
    """

    name: ClassVar[str] = "opo"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        outcome = length_weighted(batch.outcome_rewards, batch.response_mask, batch.group_ids)
        return {"outcome": whole_response(outcome, batch.response_mask)}
