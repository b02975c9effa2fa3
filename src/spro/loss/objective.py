"""The terms of the objective: SPRO Eq. 14, the entropy bonus, the KL penalty. Axis legend: B responses, T positions.

``weights`` come from a reduction over the whole batch, of which the arguments may be a slice; they are above 0 on the
response tokens and nowhere else.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from spro.loss.kl import KLEstimator
from spro.loss.reduction import weighted_sum
from spro.loss.surrogate import Surrogate


def policy_loss(
    surrogate: Surrogate,
    log_probs: Float[Tensor, "B T"],
    old_log_probs: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    weights: Float[Tensor, "B T"],
) -> Float[Tensor, ""]:
    """Minus the reduced surrogate: - sum of weights * surrogate(log_probs, old_log_probs, advantages)."""
    return -weighted_sum(surrogate(log_probs, old_log_probs, advantages, weights > 0), weights)


def entropy_bonus(
    entropy: Float[Tensor, "B T"], weights: Float[Tensor, "B T"], entropy_coef: float
) -> Float[Tensor, ""]:
    """What the loss loses for entropy: - entropy_coef * sum of weights * H, in nats.

    The paper gives the coefficient and not the reduction; verl's PRIME recipe averages over the tokens of the batch,
    so ``weights`` are those of ``token_mean``.
    """
    return -entropy_coef * weighted_sum(entropy, weights)


def kl_penalty(
    log_probs: Float[Tensor, "B T"],
    ref_log_probs: Float[Tensor, "B T"],
    weights: Float[Tensor, "B T"],
    estimator: KLEstimator,
    kl_loss_coef: float,
) -> Float[Tensor, ""]:
    """What the loss gains for leaving the reference: kl_loss_coef * sum of weights * estimator(log pi - log pi_ref).

    verl and TRL reduce it as they reduce the surrogate, so ``weights`` are those of the loss.
    """
    log_ratio = torch.where(weights > 0, log_probs - ref_log_probs, 0.0)
    return kl_loss_coef * weighted_sum(estimator(log_ratio), weights)
