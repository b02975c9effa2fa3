"""Estimators of the divergence from the reference, one number a token (Schulman, joschu.net/blog/kl-approx.html).

All read d = log pi(a_t|s_t) - log pi_ref(a_t|s_t) at the token that was sampled. What a loss descends is the gradient
of an estimator and not the estimator of a gradient, and the two differ: each docstring says what the gradient is in
expectation over tokens of the policy itself. The tests prove it by enumeration.

Names and limits are verl's (``kl_penalty``). Axis legend: B responses, T positions.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from spro.loss.surrogate import LOG_RATIO_LIMIT

KLEstimator = Callable[[Float[Tensor, "B T"]], Float[Tensor, "B T"]]
"""d in nats -> nats."""

K3_LIMIT = 10.0


def k1(log_ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The log-ratio d. Its mean is KL(pi || ref); single values may be negative.

    Expected gradient on-policy: zero. E[grad log pi] = 0, so in a loss k1 is noise.
    """
    return log_ratio


def k2(log_ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Half its square, d^2 / 2. Never negative; its mean is KL(pi || ref) to second order only.

    Expected gradient on-policy: grad KL(pi || ref), exactly: grad k2 = d grad log pi, REINFORCE with the cost d.
    """
    return log_ratio.square() / 2


def k3(log_ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Its excess e^-d + d - 1. Never negative; its mean is KL(pi || ref), with less variance than k1's.

    Expected gradient on-policy: grad KL(ref || pi), the divergence in the other direction. grad k3 = (1 - e^-d) grad
    log pi, and E[e^-d grad log pi] is the mean of grad log pi under the reference.

    It ends at 10, and its gradient with it: at a token that the reference takes about 12 times as often as the policy.
    """
    inverse = (-log_ratio).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    # expm1: near 0, where a policy starts, e^x - 1 - x would keep no digit of x^2 / 2.
    return (inverse.expm1() - inverse).clamp(-K3_LIMIT, K3_LIMIT)


def k3_straight_through(log_ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The value of k3 with the gradient of k2.

    Expected gradient on-policy: grad KL(pi || ref), exactly; so value and gradient belong to the same divergence.
    """
    slope = k2(log_ratio)
    return k3(log_ratio).detach() + slope - slope.detach()


KL_ESTIMATORS: dict[str, KLEstimator] = {"k1": k1, "k2": k2, "k3": k3, "k3+": k3_straight_through}
