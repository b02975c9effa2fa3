"""GRPO with outcome supervision (DeepSeekMath, arXiv 2402.03300, section 4.1.2)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero
from spro.credit.baselines import group_standardized
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method


@dataclass(frozen=True)
class GRPO(Method):
    """Group Relative Policy Optimization: the outcome, standardized in its group, at every token.

        A[i,t] = (r_i - mean_g) / (std_g + std_eps)

    The paper leaves the estimator of the deviation open. Taken from verl's ``compute_grpo_outcome_advantage``:
    unbiased (n - 1) and 1e-6 added to it. Unlike verl, where a group of one keeps its raw score, it gets 0 here.

    Attributes:
        std_eps: added to the standard deviation; in units of reward.
    """

    std_eps: float = 1e-6
    name: ClassVar[str] = "grpo"

    def __post_init__(self) -> None:
        check_above_zero(std_eps=self.std_eps)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        outcome = group_standardized(batch.outcome_rewards, batch.group_ids, self.std_eps)
        return {"outcome": whole_response(outcome, batch.response_mask)}
