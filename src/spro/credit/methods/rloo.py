"""RLOO, REINFORCE with a leave-one-out baseline (Ahmadian et al., arXiv 2402.14740)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import leave_one_out
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method


@dataclass(frozen=True)
class RLOO(Method):
    """The outcome minus the mean outcome of the other responses to the same prompt, at every token.

        A[i,t] = r_i - mean of r_j over the other members j of the group

    Equals GRPO without its deviation, times n / (n - 1). A group of one gets 0.
    """

    name: ClassVar[str] = "rloo"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        outcome = leave_one_out(batch.outcome_rewards, batch.group_ids)
        return {"outcome": whole_response(outcome, batch.response_mask)}
