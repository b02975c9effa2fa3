"""Losses: surrogates a token, reductions, entropy, KL. torch only."""

from spro.loss.kl import KL_ESTIMATORS, KLEstimator
from spro.loss.logits import token_entropy, token_log_probs
from spro.loss.objective import entropy_bonus, kl_penalty, policy_loss
from spro.loss.reduction import REDUCTIONS, Reduction, token_mean, weighted_sum
from spro.loss.surrogate import Surrogate, importance_ratio
from spro.loss.surrogates import SURROGATES

__all__ = [
    "KL_ESTIMATORS",
    "REDUCTIONS",
    "SURROGATES",
    "KLEstimator",
    "Reduction",
    "Surrogate",
    "entropy_bonus",
    "importance_ratio",
    "kl_penalty",
    "policy_loss",
    "token_entropy",
    "token_log_probs",
    "token_mean",
    "weighted_sum",
]
