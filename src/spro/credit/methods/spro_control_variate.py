"""CPR as a control variate: a critic that SPRO has anyway."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.credit.baselines import regress_on_other_groups
from spro.credit.batch import TokenBatch
from spro.credit.flows import previous_value
from spro.credit.methods.method import Scope
from spro.credit.methods.spro import SPRO


@dataclass(frozen=True)
class SPROControlVariate(SPRO):
    """GRPO's outcome advantage minus what the prefix already told of it.

        lambda_g = least squares of outcome on MSA[t-1], over the tokens of all groups but g
        A[i,t]   = outcome_i - lambda_g * MSA[i,t-1]

    MSA[t-1] does not depend on the action at t, nor does lambda, which other groups gave. So the expected gradient is
    that of the outcome alone, and its variance is less by what the prefix explains: on-policy, summed over tokens, with
    groups that no filter chose by their outcome. The weights 1/|y| of ``seq-mean-token-mean`` depend on actions to come
    and make that approximate (use ``seq-mean-token-sum-norm``), and so does the accuracy window. MSA[t-1] is that of
    the last token that the policy wrote before t; 0 at the first one. With a single group in the batch lambda is 0 and
    this is GRPO.

    Attributes:
        beta: reward per nat of log-ratio; cancels in lambda * MSA.
        std_eps: added to the standard deviation of the outcome.
    """

    name: ClassVar[str] = "spro_control_variate"
    scope: ClassVar[Scope] = "batch"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term, and what is subtracted."""
        outcome = self.outcome(batch)
        prefix = previous_value(self.msa(batch), batch.response_mask)
        slope = regress_on_other_groups(outcome, prefix, batch.group_ids)
        return {"outcome": outcome, "control_variate": -slope[:, None] * prefix}
