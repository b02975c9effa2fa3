"""REINFORCE++ and its form with a group baseline (Hu et al., arXiv 2501.03262)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from spro.checks import check_at_least_zero, check_share
from spro.credit.baselines import group_centered, whitened
from spro.credit.batch import TokenBatch
from spro.credit.flows import discounted_return, whole_response
from spro.credit.methods.method import Method, Scope
from spro.credit.sources import at_last_token, log_ratio


@dataclass(frozen=True)
class ReinforcePlusPlus(Method):
    """The return of the outcome and of a KL penalty at each token, whitened over the batch.

        r[i,t] = r_i at the last token - kl_reward_coef * log pi_old(a_t|s_t) / pi_ref(a_t|s_t)
        A      = whiten( sum over s >= t of gamma^(s-t) r[i,s] )

    Whitening is over all tokens of the batch (verl's ``masked_whiten``). The return is carried over a tool's tokens, as
    in verl 0.9.1.

    Attributes:
        kl_reward_coef: penalty a nat, in units of reward; verl's ``kl_ctrl.kl_coef``, which acts there only with
            ``use_kl_in_reward``.
        gamma: discount a token.

    Raises:
        BatchError: ``kl_reward_coef`` is negative or not finite.
    """

    kl_reward_coef: float = 0.001
    gamma: float = 1.0
    name: ClassVar[str] = "reinforce_plus_plus"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"old_log_probs", "ref_log_probs"})

    def __post_init__(self) -> None:
        check_at_least_zero(kl_reward_coef=self.kl_reward_coef)
        check_share(gamma=self.gamma)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes outcome and penalty."""
        mask = batch.response_mask
        old_log_probs = batch.require("old_log_probs", self.name)
        ref_log_probs = batch.require("ref_log_probs", self.name)

        penalty = self.kl_reward_coef * log_ratio(old_log_probs, ref_log_probs, mask)
        rewards = at_last_token(batch.outcome_rewards, mask) - penalty
        return {"whitened": whitened(discounted_return(rewards, mask, self.gamma), mask)}


@dataclass(frozen=True)
class ReinforcePlusPlusBaseline(Method):
    """The outcome minus the group's mean, whitened over the tokens of the batch.

        A[i,t] = whiten( r_i - mean_g )

    The deviation is that of the batch, not of the group. The paper puts its KL term into the loss (k2).
    """

    name: ClassVar[str] = "reinforce_plus_plus_baseline"
    scope: ClassVar[Scope] = "batch"

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The outcome term alone."""
        centered = group_centered(batch.outcome_rewards, batch.group_ids)
        return {"outcome": whitened(whole_response(centered, batch.response_mask), batch.response_mask)}
