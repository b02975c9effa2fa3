"""VinePPO, Monte-Carlo values of steps (Kazemnejad et al., arXiv 2410.01679)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from spro.credit.batch import TokenBatch
from spro.credit.methods.method import Method
from spro.credit.sources import tokens_of_steps


@dataclass(frozen=True)
class VinePPO(Method):
    """What a step changed in the expected outcome, estimated by rolling out from before and behind it.

        A[i,t] = V(s[k+1]) - V(s[k]) for the tokens t of step k,    r_i in place of V behind the last step

    V(s) is the mean outcome of responses sampled from s; the paper takes 9. The advantages of a response's steps add
    up to r_i - V(s[0]). As the samples grow this becomes the true advantage of the step. Costs samples from the start
    of every step. The repository (McGill-NLP/VinePPO at efe7228) whitens the advantages, and gives none to states
    behind the first 20; here neither.
    """

    name: ClassVar[str] = "vineppo"
    needs: ClassVar[frozenset[str]] = frozenset({"step_ids", "step_values", "step_mask"})

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome, shared out over the steps."""
        step_ids, step_mask = batch.require("step_ids", self.name), batch.require("step_mask", self.name)
        values = batch.require("step_values", self.name)

        has_next = pad(step_mask[:, 1:], (0, 1))
        behind = torch.where(has_next, pad(values[:, 1:], (0, 1)), batch.outcome_rewards[:, None])
        advantages = (behind - values).masked_fill(~step_mask, 0.0)
        return {"outcome": tokens_of_steps(advantages, step_ids, batch.response_mask)}
