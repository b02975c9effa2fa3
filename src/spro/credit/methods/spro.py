"""SPRO, Self-guided Process Reward Optimization (arXiv 2507.01551)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_above_zero, check_at_least_zero
from spro.credit.baselines import group_standardized, masked_step_advantage
from spro.credit.batch import TokenBatch
from spro.credit.flows import prefix_sum_, whole_response
from spro.credit.methods.method import Method
from spro.credit.sources import log_ratio


@dataclass(frozen=True)
class SPRO(Method):
    """GRPO's outcome advantage plus the Masked Step Advantage of the policy's own Cumulative Process Reward.

        CPR[i,t] = beta * sum over j <= t of log pi_old(a_j|s_j) / pi_ref(a_j|s_j)      Eq. 11; V(s_0) cancels
        MSA[i,t] = CPR[i,t] - mean of CPR[k,t] over the members k that have a token at t    Eq. 12
        A[i,t]   = (r_i - mean_g) / (std_g + std_eps) + MSA[i,t]                            Eq. 13

    With beta 0, or while the policy equals the reference, this is GRPO exactly; so is the first step of a run.

    Where the paper is silent:
        ``beta`` is 0.05, PRIME's, whose notation the paper follows. It is the only weight between process and outcome.
        The ratio uses the old policy: Algorithm 1 computes the advantage once, right after theta_old <- theta, so it
        stays fixed through the inner epochs. Nothing is whitened, as in Eq. 13. The deviation is unbiased with 1e-6
        added, as in verl, the framework of the paper.

    A variant overrides the equation in which it differs.

    Attributes:
        beta: reward per nat of log-ratio; finite, at least 0.
        std_eps: added to the standard deviation of the outcome; in units of reward.

    Raises:
        BatchError: ``beta`` is negative, ``std_eps`` not above 0, or either not finite.
    """

    beta: float = 0.05
    std_eps: float = 1e-6
    name: ClassVar[str] = "spro"
    needs: ClassVar[frozenset[str]] = frozenset({"old_log_probs", "ref_log_probs"})

    def __post_init__(self) -> None:
        check_at_least_zero(beta=self.beta)
        check_above_zero(std_eps=self.std_eps)

    def process_reward(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Eq. 8."""
        old_log_probs = batch.require("old_log_probs", self.name)
        ref_log_probs = batch.require("ref_log_probs", self.name)
        return log_ratio(old_log_probs, ref_log_probs, batch.response_mask).mul_(self.beta)

    def cpr(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Eq. 11."""
        return prefix_sum_(self.process_reward(batch), batch.response_mask)

    def msa(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Eq. 12."""
        return masked_step_advantage(self.cpr(batch), batch.response_mask, batch.group_ids)

    def outcome(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Eq. 13, first term."""
        outcome = group_standardized(batch.outcome_rewards, batch.group_ids, self.std_eps)
        return whole_response(outcome, batch.response_mask)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """Eq. 13."""
        msa = self.msa(batch)
        return {"outcome": self.outcome(batch), "msa": msa}
