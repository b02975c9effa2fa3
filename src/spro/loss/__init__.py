"""Losses: surrogates a token, reductions, entropy, KL. torch only."""

from spro.loss.correction import NoCorrection, RolloutCorrection, TruncatedImportance
from spro.loss.implicit_reward import implicit_reward_logit, outcome_cross_entropy
from spro.loss.kl import KL_ESTIMATORS, KLEstimator
from spro.loss.logits import token_entropy, token_log_probs
from spro.loss.objective import entropy_bonus, kl_penalty, policy_loss
from spro.loss.reduction import REDUCTIONS, Reduction, token_mean, weighted_sum
from spro.loss.surrogate import Surrogate, importance_ratio
from spro.loss.surrogates import SURROGATES
from spro.loss.value import explained_variance, is_value_clipped, value_loss

__all__ = [
    "KL_ESTIMATORS",
    "REDUCTIONS",
    "SURROGATES",
    "KLEstimator",
    "NoCorrection",
    "Reduction",
    "RolloutCorrection",
    "Surrogate",
    "TruncatedImportance",
    "entropy_bonus",
    "explained_variance",
    "implicit_reward_logit",
    "importance_ratio",
    "is_value_clipped",
    "kl_penalty",
    "outcome_cross_entropy",
    "policy_loss",
    "token_entropy",
    "token_log_probs",
    "token_mean",
    "value_loss",
    "weighted_sum",
]
