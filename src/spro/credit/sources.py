"""Sources: where a token's reward comes from. Axis legend: B responses, T positions."""

from jaxtyping import Bool, Float
from torch import Tensor


def log_ratio(
    log_probs: Float[Tensor, "B T"], ref_log_probs: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """Log pi(a_t|s_t) - log pi_ref(a_t|s_t) in nats, detached, 0 off the mask (SPRO Eq. 8 without beta)."""
    return (log_probs - ref_log_probs).detach().masked_fill(~mask, 0.0)
