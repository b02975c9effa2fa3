"""PPO's advantage: GAE with a critic (Schulman et al., arXiv 1707.06347 and 1506.02438)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from spro.checks import check_at_least_zero, check_share
from spro.credit.baselines import whitened
from spro.credit.batch import TokenBatch
from spro.credit.flows import generalized_advantage
from spro.credit.methods.method import Method, Scope
from spro.credit.sources import at_last_token, log_ratio


@dataclass(frozen=True)
class PPO(Method):
    """Generalized advantage estimation on the outcome, whitened over the batch.

        delta[i,t] = r[i,t] + gamma * V(s_{t+1}) - V(s_t),    r_i paid at the last token
        A          = whiten( delta_t + gamma * lam * A_{t+1} )

    A tool's tokens pass through: they have no value, and the state behind a policy token is that of the next one.
    With both factors 1, as in verl's defaults, the advantage before whitening is r_i - V(s_t).

    Attributes:
        gamma: discount a token.
        lam: of GAE; 1 trusts the returns alone, 0 the critic alone.
    """

    gamma: float = 1.0
    lam: float = 1.0
    name: ClassVar[str] = "ppo"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"values"})

    def __post_init__(self) -> None:
        check_share(gamma=self.gamma, lam=self.lam)

    def rewards(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """What each token is paid."""
        return at_last_token(batch.outcome_rewards, batch.response_mask)

    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """One term: whitening mixes rewards and values."""
        return {"whitened": whitened(self.gae(batch), batch.response_mask)}

    def gae(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """The advantage before whitening."""
        values = batch.require("values", self.name)
        return generalized_advantage(self.rewards(batch), values, batch.response_mask, self.gamma, self.lam)

    @torch.no_grad()
    def returns(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """What the critic learns: the advantage before whitening + V(s_t) (verl's ``compute_gae_advantage_return``)."""
        returns = self.gae(batch) + batch.require("values", self.name)
        return returns.masked_fill(~batch.response_mask, 0.0)


@dataclass(frozen=True)
class PPOWithKL(PPO):
    """PPO with a KL penalty in the reward (Ouyang et al., arXiv 2203.02155, Eq. 2).

        r[i,t] = r_i at the last token - kl_reward_coef * log pi_old(a_t|s_t) / pi_ref(a_t|s_t)

    Attributes:
        gamma: discount a token.
        lam: of GAE; 1 trusts the returns alone, 0 the critic alone.
        kl_reward_coef: penalty a nat, in units of reward; verl's ``kl_ctrl.kl_coef``, which acts there only with
            ``use_kl_in_reward``.
    """

    kl_reward_coef: float = 0.001
    name: ClassVar[str] = "ppo_kl"
    scope: ClassVar[Scope] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"values", "old_log_probs", "ref_log_probs"})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_zero(kl_reward_coef=self.kl_reward_coef)

    def rewards(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Outcome and penalty."""
        old_log_probs = batch.require("old_log_probs", self.name)
        ref_log_probs = batch.require("ref_log_probs", self.name)
        return super().rewards(batch) - self.kl_reward_coef * log_ratio(
            old_log_probs, ref_log_probs, batch.response_mask
        )
