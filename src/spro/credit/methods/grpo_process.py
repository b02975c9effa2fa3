"""GRPO with process supervision (DeepSeekMath, arXiv 2402.03300, section 4.1.3)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero
from spro.credit.baselines import pooled_standardized
from spro.credit.batch import TokenBatch
from spro.credit.flows import suffix_sum
from spro.credit.methods.method import Method
from spro.credit.sources import at_step_ends


@dataclass(frozen=True)
class GRPOProcess(Method):
    """The step rewards of a group, standardized together, summed from each token to the end of the response.

        r~[i,j] = (r[i,j] - mean of the group's step rewards) / (their std + std_eps)
        A[i,t]  = sum of r~[i,j] over the steps j of response i that end at t or later

    There is no outcome term. With one step a response, which ends at its last token, this is GRPO. Tokens behind the
    last step get 0; a group of one is compared with itself, step by step. The paper names no estimator of the deviation
    and no epsilon: taken as for GRPO, unbiased with 1e-6 added. It grows with the number of steps.

    Attributes:
        std_eps: added to the standard deviation; in units of reward.
    """

    std_eps: float = 1e-6
    name: ClassVar[str] = "grpo_process"
    needs: ClassVar[frozenset[str]] = frozenset({"step_ids", "step_rewards", "step_mask"})

    def __post_init__(self) -> None:
        check_above_zero(std_eps=self.std_eps)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The process term alone."""
        mask, step_mask = batch.response_mask, batch.require("step_mask", self.name)
        step_ids, step_rewards = batch.require("step_ids", self.name), batch.require("step_rewards", self.name)

        standardized = pooled_standardized(step_rewards, step_mask, batch.group_ids, self.std_eps)
        paid = at_step_ends(standardized, step_mask, step_ids, mask)
        return {"process": suffix_sum(paid, mask)}
