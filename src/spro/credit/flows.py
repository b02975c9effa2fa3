"""Flows: how a reward travels along the response. Axis legend: B responses, T positions."""

from jaxtyping import Bool, Float
from torch import Tensor


def prefix_sum(values: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """What has been collected up to and including each token: y_t = sum over j <= t of x_j (SPRO Eq. 11)."""
    return values.cumsum(dim=1)


def whole_response(values: Float[Tensor, " B"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The same value at every token of the response, 0 off the mask."""
    return values[:, None] * mask
