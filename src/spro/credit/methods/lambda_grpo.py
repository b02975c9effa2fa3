"""lambda-GRPO (Sullivan and Koller, "GRPO is secretly a process reward model", arXiv 2509.21154)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero
from spro.credit.baselines import group_standardized
from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response
from spro.credit.methods.method import Method
from spro.credit.prefixes import sharing_prefix


@dataclass(frozen=True)
class LambdaGRPO(Method):
    """GRPO's advantage, divided by the number of responses of the group that begin with the same tokens.

        A[i,t] = (r_i - mean_g) / (std_g + std_eps) / |{k in g : y_k begins with y_i[0..t]}|

    Tokens that all members share would otherwise be counted once for each of them: the group is a tree, and each of
    its nodes gets one vote. Without shared prefixes this is GRPO. The weight is positive, so to put it on the advantage
    is to put it on the clipped surrogate, where coli-saar/grpo-prm (at 6bc58b1) has it; there it is on the KL too.

    Attributes:
        std_eps: added to the standard deviation; the repository's 1e-4.
    """

    std_eps: float = 1e-4
    name: ClassVar[str] = "lambda_grpo"
    needs: ClassVar[frozenset[str]] = frozenset({"token_ids"})

    def __post_init__(self) -> None:
        check_above_zero(std_eps=self.std_eps)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        mask, group_ids = batch.response_mask, batch.group_ids
        sharing = sharing_prefix(batch.require("token_ids", self.name), mask, group_ids)
        outcome = group_standardized(batch.outcome_rewards, group_ids, self.std_eps)
        return {"outcome": whole_response(outcome, mask) / sharing}
