"""Dr. GRPO, GRPO done right (Liu et al., arXiv 2503.20783)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import group_centered
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method


@dataclass(frozen=True)
class DrGRPO(Method):
    """The outcome minus the group's mean, not divided by its deviation, at every token.

        A[i,t] = r_i - mean_g

    Half of the method: the other half is the loss, whose sum over tokens is divided by a constant instead of by the
    length (``loss_reduction: seq-mean-token-sum-norm``).
    """

    name: ClassVar[str] = "dr_grpo"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        outcome = group_centered(batch.outcome_rewards, batch.group_ids)
        return {"outcome": whole_response(outcome, batch.response_mask)}
