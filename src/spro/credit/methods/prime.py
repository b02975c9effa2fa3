"""PRIME, process reinforcement through implicit rewards (Cui et al., arXiv 2502.01456)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

from spro.checks import check_at_least_zero, check_share
from spro.credit.baselines import leave_one_out, leave_one_out_tokens, whitened
from spro.credit.batch import TokenBatch
from spro.credit.flows import discounted_return, suffix_sum, whole_response
from spro.credit.methods.method import Method, Scope
from spro.credit.reduce import group_size, group_sum, is_alone, masked_mean
from spro.credit.sources import at_last_token, log_ratio, without_last_token

NORM_EPS = 1e-6
"""Added to the largest return (``prime_norm: batch_norm``)."""


@dataclass(frozen=True)
class PRIME(Method):
    """Return of the implicit process reward and of the outcome, each with a leave-one-out baseline, as in the paper.

        r[i,t] = beta * log pi_phi(a_t|s_t) / pi_ref(a_t|s_t)
        A[i,t] = sum over s >= t of gamma^(s-t) (r[i,s] - mean over the others k of mean over their tokens of r[k])
                 + r_i - mean over the others k of r_k

    pi_phi is a reward model that is trained online on the outcome. A group of one gets 0.

    Attributes:
        beta: reward per nat of log-ratio.
        gamma: discount a token.
    """

    beta: float = 0.05
    gamma: float = 1.0
    name: ClassVar[str] = "prime"
    needs: ClassVar[frozenset[str]] = frozenset({"prm_log_probs", "ref_log_probs"})

    def __post_init__(self) -> None:
        check_at_least_zero(beta=self.beta)
        check_share(gamma=self.gamma)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The process term and the outcome term."""
        mask, group_ids = batch.response_mask, batch.group_ids
        rewards = self.beta * implicit_reward(batch, self.name)
        centered = leave_one_out_tokens(rewards, mask, group_ids)
        outcome = leave_one_out(batch.outcome_rewards, group_ids)
        return {
            "process": discounted_return(centered, mask, self.gamma),
            "outcome": whole_response(outcome, mask),
        }


@dataclass(frozen=True)
class PRIMERepository(Method):
    """PRIME as its own repository computes it (PRIME-RL/PRIME at 18ad596, ``compute_rloo_returns``).

        q[i,t] = log pi_phi / pi_ref, divided by the largest |return to go| of q in the batch
        c[i,t] = (n q[i,t] - sum over the group of mean over tokens of q[k]) / (n - 1)
        A      = whiten( return of c + return of the leave-one-out outcome, paid at the last token )

    Unlike the paper: a token's deviation from the mean of its own response grows by n / (n - 1), the scale of the
    reward model is divided out, and the sum is whitened. The repository takes the largest return of each device; here
    it is that of the batch.

    Attributes:
        gamma: discount a token, of process and of outcome.
    """

    gamma: float = 1.0
    name: ClassVar[str] = "prime_repository"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"prm_log_probs", "ref_log_probs"})

    def __post_init__(self) -> None:
        check_share(gamma=self.gamma)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes process and outcome."""
        mask, group_ids = batch.response_mask, batch.group_ids
        rewards = with_unit_return(implicit_reward(batch, self.name), mask)
        process = amplified_leave_one_out(rewards, mask, group_ids)
        outcome = at_last_token(leave_one_out(batch.outcome_rewards, group_ids), mask)
        return {"whitened": whitened(discounted_return(process + outcome, mask, self.gamma), mask)}


@dataclass(frozen=True)
class PRIMERecipe(Method):
    """PRIME as verl's recipe computes it (verl-recipe at 48ea0a7, ``compute_rloo_advantage_return``).

        q[i,t] = beta log pi_phi / pi_ref, 0 at the last token, divided by the largest |return to go| of q in the batch
        c[i,t] = (n q[i,t] - sum over the group of mean over tokens of q[k]) / (n - 1)
        A      = whiten( return of process_coef * c + return of outcome_coef * leave-one-out outcome )

    Unlike the repository: the last token's process reward is lost, and the two coefficients act; only their ratio
    survives the whitening.

    Attributes:
        beta: reward per nat of log-ratio; divided out again but for the 1e-6 beside the largest return.
        process_coef: ``reward_dpo_coef``.
        outcome_coef: ``reward_gt_coef``.
    """

    beta: float = 0.05
    process_coef: float = 5.0
    outcome_coef: float = 5.0
    name: ClassVar[str] = "prime_recipe"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"prm_log_probs", "ref_log_probs"})

    def __post_init__(self) -> None:
        check_at_least_zero(beta=self.beta, process_coef=self.process_coef, outcome_coef=self.outcome_coef)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes process and outcome."""
        mask, group_ids = batch.response_mask, batch.group_ids
        paid = without_last_token(self.beta * implicit_reward(batch, self.name), mask)
        process = amplified_leave_one_out(with_unit_return(paid, mask), mask, group_ids)
        outcome = at_last_token(leave_one_out(batch.outcome_rewards, group_ids), mask)
        returns = suffix_sum(self.process_coef * process + self.outcome_coef * outcome, mask)
        return {"whitened": whitened(returns, mask)}


def implicit_reward(batch: TokenBatch, method: str) -> Float[Tensor, "B T"]:
    """Log pi_phi(a_t|s_t) / pi_ref(a_t|s_t) in nats, 0 off the mask."""
    prm_log_probs = batch.require("prm_log_probs", method)
    ref_log_probs = batch.require("ref_log_probs", method)
    return log_ratio(prm_log_probs, ref_log_probs, batch.response_mask)


def with_unit_return(rewards: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Divided by the largest absolute return to go of the batch (``prime_norm: batch_norm``)."""
    return rewards / (suffix_sum(rewards, mask).abs().amax() + NORM_EPS)


def amplified_leave_one_out(
    rewards: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    """(n r[i,t] - sum over the group of mean over tokens of r[k]) / (n - 1), 0 off the mask and in a group of one.

    Exact leave-one-out for a scalar; for tokens it is the leave-one-out mean plus (r[i,t] - own mean) / (n - 1).
    """
    own_mean = masked_mean(rewards, mask)
    size, total = group_size(own_mean, group_ids)[:, None], group_sum(own_mean, group_ids)[:, None]
    centered = (size * rewards - total) / (size - 1).clamp(min=1)
    return centered.masked_fill(~mask | is_alone(group_ids)[:, None], 0.0)
