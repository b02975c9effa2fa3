"""SPRO over steps in place of tokens."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import masked_step_advantage
from spro.credit.batch import TokenBatch
from spro.credit.flows import prefix_sum_
from spro.credit.methods.spro import SPRO
from spro.credit.sources import sums_of_steps, tokens_of_steps


@dataclass(frozen=True)
class SPROSteps(SPRO):
    """SPRO whose members are compared at the same step (line, turn, tool call) and not at the same token.

        CPR[i,k] = beta * sum over the tokens j of the steps up to k of log pi_old(a_j|s_j) / pi_ref(a_j|s_j)
        MSA[i,t] = CPR[i,k] - mean of CPR[m,k] over the members m that have a step k,    t a token of step k

    With one token a step this is SPRO. Tokens of no step have no process term. A token's term holds the later tokens of
    its own step, which depend on it; so what is proved of SPRO's expected gradient holds for steps as actions only.

    Attributes:
        beta: reward per nat of log-ratio.
        std_eps: added to the standard deviation of the outcome.
    """

    name: ClassVar[str] = "spro_steps"
    needs: ClassVar[frozenset[str]] = SPRO.needs | {"step_ids"}

    def msa(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """In place of Eq. 12."""
        mask, step_ids = batch.response_mask, batch.require("step_ids", self.name)
        rewards, has_step = sums_of_steps(self.process_reward(batch), step_ids, mask)
        msa = masked_step_advantage(prefix_sum_(rewards, has_step), has_step, batch.group_ids)
        return tokens_of_steps(msa, step_ids, mask)
