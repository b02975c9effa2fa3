"""PURE, "Stop summation: min-form credit assignment" (Cheng et al., arXiv 2504.15275).

A solution is worth what its worst step is worth, not the sum over its steps. Three baselines are published: by token
and by step in CJReinforce/PURE, main at 41f9363, and of returns in its branch verl at 83f9869, which is nearest to the
paper's section 3.4.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero, check_finite
from spro.credit.baselines import leave_one_out, leave_one_out_tokens, whitened
from spro.credit.batch import TokenBatch
from spro.credit.flows import soft_min_form, suffix_min, suffix_sum, whole_response
from spro.credit.methods.method import Method, Scope
from spro.credit.reduce import group_sum, is_alone, masked_mean, others_mean
from spro.credit.sources import at_last_token, at_step_ends, tokens_a_step


@dataclass(frozen=True)
class PURE(Method):
    """The return of min-form step rewards, with the others' reward per token as baseline, plus the outcome.

        r*[i,j] = r[i,j] * softmax over the steps j of (-r[i,j] / temperature)
        b[i,j]  = tokens of step j * (sum of r* of the other members / tokens of the other members)
        A       = whiten( sum over the steps j that end at t or later of (r*[i,j] - b[i,j])
                          + outcome_coef * (r_i - mean of the others) )

    What the run scripts of branch main set (``reward_baseline: token``). There the last token of a step, its separator,
    is not among its tokens in b, gets no advantage and has no part in the whitening, whose variance is biased; and the
    reward carries a KL of 0.001. Here none of that. A group of one gets 0 before whitening.

    Attributes:
        temperature: of the soft minimum, in units of step reward; towards 0 the minimum, without bound the mean.
        outcome_coef: weight of the verifiable outcome.

    Raises:
        BatchError: ``temperature`` is not above 0 or not finite.
    """

    temperature: float = 0.1
    outcome_coef: float = 1.0
    name: ClassVar[str] = "pure"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"step_ids", "step_rewards", "step_mask"})

    def __post_init__(self) -> None:
        check_above_zero(temperature=self.temperature)
        check_finite(outcome_coef=self.outcome_coef)

    def min_form(self, batch: TokenBatch) -> Float[Tensor, "B S"]:
        """r*, which add up to a soft minimum."""
        step_rewards, step_mask = batch.require("step_rewards", self.name), batch.require("step_mask", self.name)
        return soft_min_form(step_rewards, step_mask, self.temperature)

    def baseline(self, batch: TokenBatch, rewards: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        """What a step of this length would have brought the others."""
        step_ids, step_mask = batch.require("step_ids", self.name), batch.require("step_mask", self.name)
        lengths = batch.response_mask.sum(dim=1).to(rewards.dtype)
        totals = rewards.sum(dim=1)
        of_others = group_sum(totals, batch.group_ids) - totals
        tokens_of_others = (group_sum(lengths, batch.group_ids) - lengths).clamp(min=1)
        return (of_others / tokens_of_others)[:, None] * tokens_a_step(step_ids, batch.response_mask, step_mask)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes process and outcome."""
        mask, group_ids = batch.response_mask, batch.group_ids
        step_ids, step_mask = batch.require("step_ids", self.name), batch.require("step_mask", self.name)

        rewards = self.min_form(batch)
        compared = (rewards - self.baseline(batch, rewards)).masked_fill(is_alone(group_ids)[:, None], 0.0)
        process = suffix_sum(at_step_ends(compared, step_mask, step_ids, mask), mask)
        outcome = whole_response(leave_one_out(batch.outcome_rewards, group_ids), mask)
        return {"whitened": whitened(process + self.outcome_coef * outcome, mask)}


@dataclass(frozen=True)
class PUREStepBaseline(PURE):
    """PURE with the others' mean reward per step as baseline (``reward_baseline: step`` of the repository).

    b[i,j] = mean over the other members k of (sum of r*[k] / steps of k)

    The paper's Eq. 8, which it reports to be hacked by responses of few steps. Attributes as of ``PURE``.
    """

    name: ClassVar[str] = "pure_step_baseline"
    scope: ClassVar[Scope] = "batch"

    def baseline(self, batch: TokenBatch, rewards: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        """What a step brought the others."""
        step_mask = batch.require("step_mask", self.name)
        return others_mean(masked_mean(rewards, step_mask), batch.group_ids)[:, None].expand_as(rewards)


@dataclass(frozen=True)
class PUREReturnBaseline(PURE):
    """PURE with the others' mean return as baseline, spread over the longest possible response (branch verl).

        R[i,t] = sum over the steps that end at t or later of r*[i,j] + outcome_coef * r_i
        A      = whiten( R[i,t] - sum over the other members k and t of R[k,t] / ((n - 1) * max_response_length) )

    Division by the longest possible response, and not by the lengths at hand, is the paper's choice (section 3.4)
    against a bias of length. The branch takes it from the width to which responses are padded; here it is asked for, so
    that padding changes nothing.

    Attributes:
        max_response_length: tokens.
        temperature: of the soft minimum, in units of step reward.
        outcome_coef: weight of the verifiable outcome.
    """

    max_response_length: int = field(kw_only=True)
    name: ClassVar[str] = "pure_return_baseline"
    scope: ClassVar[Scope] = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero(max_response_length=self.max_response_length)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes process and outcome."""
        mask, group_ids = batch.response_mask, batch.group_ids
        step_ids, step_mask = batch.require("step_ids", self.name), batch.require("step_mask", self.name)

        paid = at_step_ends(self.min_form(batch), step_mask, step_ids, mask)
        paid = paid + self.outcome_coef * at_last_token(batch.outcome_rewards, mask)
        returns = suffix_sum(paid, mask)
        baseline = others_mean(returns.sum(dim=1), group_ids)[:, None] / self.max_response_length
        compared = (returns - baseline).masked_fill(~mask | is_alone(group_ids)[:, None], 0.0)
        return {"whitened": whitened(compared, mask)}


@dataclass(frozen=True)
class PUREStrict(Method):
    """The smallest step reward still to come, without the softmax, plus the outcome.

        V[i,t] = min of r[i,j] over the steps j that end at t or later
        A      = whiten( V[i,t] - mean over the others k of mean over their tokens of V[k]
                         + outcome_coef * (r_i - mean of the others) )

    The minimum is over steps. The branch verl (``credit_assignment: strict min-form``) takes it over all token slots,
    in which tokens within a step and padding hold 0, so that no return can be positive; the outcome enters there at the
    last token, before the minimum. Its baseline counts padding; here it is PRIME's, over the tokens of the others. In
    the paper's Eq. 3 nothing is to come behind the worst step; here it is the next smallest. A group of one gets 0.

    Attributes:
        outcome_coef: weight of the verifiable outcome.
    """

    outcome_coef: float = 1.0
    name: ClassVar[str] = "pure_strict"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"step_ids", "step_rewards", "step_mask"})

    def __post_init__(self) -> None:
        check_finite(outcome_coef=self.outcome_coef)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes process and outcome."""
        mask, group_ids = batch.response_mask, batch.group_ids
        step_ids, step_mask = batch.require("step_ids", self.name), batch.require("step_mask", self.name)
        step_rewards = batch.require("step_rewards", self.name)

        is_paid = at_step_ends(torch.ones_like(step_rewards), step_mask, step_ids, mask) > 0
        smallest = suffix_min(at_step_ends(step_rewards, step_mask, step_ids, mask), is_paid, mask)
        process = leave_one_out_tokens(smallest, mask, group_ids)
        outcome = whole_response(leave_one_out(batch.outcome_rewards, group_ids), mask)
        return {"whitened": whitened(process + self.outcome_coef * outcome, mask)}
