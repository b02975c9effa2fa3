"""The objective that the policy maximises: SPRO Eq. 14 and the entropy bonus. Axis legend: B responses, T positions."""

from jaxtyping import Float
from torch import Tensor

from spro.loss.reduction import weighted_sum
from spro.loss.surrogate import clipped_surrogate


def policy_loss(
    log_probs: Float[Tensor, "B T"],
    old_log_probs: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    weights: Float[Tensor, "B T"],
    clip_ratio_low: float,
    clip_ratio_high: float,
) -> Float[Tensor, ""]:
    """Minus the reduced clipped surrogate.

        loss = - sum of weights * min(rho A, clip(rho, 1 - low, 1 + high) A)

    ``weights`` come from a reduction over the whole batch, of which the arguments may be a slice.
    """
    surrogate = clipped_surrogate(log_probs, old_log_probs, advantages, clip_ratio_low, clip_ratio_high)
    return -weighted_sum(surrogate, weights)


def entropy_bonus(
    entropy: Float[Tensor, "B T"], weights: Float[Tensor, "B T"], entropy_coef: float
) -> Float[Tensor, ""]:
    """What the loss loses for entropy: - entropy_coef * sum of weights * H, in nats.

    The paper gives the coefficient and not the reduction; verl's PRIME recipe averages over the tokens of the batch,
    so ``weights`` are those of ``token_mean``.
    """
    return -entropy_coef * weighted_sum(entropy, weights)
