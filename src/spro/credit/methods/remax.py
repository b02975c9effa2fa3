"""ReMax (Li et al., arXiv 2310.10505)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method


@dataclass(frozen=True)
class ReMax(Method):
    """The outcome minus that of the greedy response to the same prompt, at every token.

        A[i,t] = r_i - r(greedy response)

    Costs one greedy response a prompt; needs no group.
    """

    name: ClassVar[str] = "remax"
    needs: ClassVar[frozenset[str]] = frozenset({"greedy_rewards"})

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        outcome = batch.outcome_rewards - batch.require("greedy_rewards", self.name)
        return {"outcome": whole_response(outcome, batch.response_mask)}
