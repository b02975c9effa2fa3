"""Losses: surrogates a token, reductions, entropy. torch only."""

from spro.loss.logits import token_entropy, token_log_probs
from spro.loss.objective import entropy_bonus, policy_loss
from spro.loss.reduction import REDUCTIONS, Reduction, token_mean, weighted_sum
from spro.loss.surrogate import clipped_surrogate, importance_ratio, is_clipped

__all__ = [
    "REDUCTIONS",
    "Reduction",
    "clipped_surrogate",
    "entropy_bonus",
    "importance_ratio",
    "is_clipped",
    "policy_loss",
    "token_entropy",
    "token_log_probs",
    "token_mean",
    "weighted_sum",
]
