"""Flows: how a reward travels along the response.

What lies off the mask is 0 when it comes here, and is 0 again when it leaves. Axis legend: B responses, T positions,
S steps.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad


def prefix_sum_(values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """What has been collected up to and including each token: y_t = sum over j <= t of x_j (SPRO Eq. 11); in place."""
    return values.cumsum_(dim=1).masked_fill_(~mask, 0.0)


def suffix_sum(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """What is still to come, this token included: y_t = sum over j >= t of x_j."""
    return values.flip(1).cumsum(dim=1).flip(1).masked_fill_(~mask, 0.0)


def whole_response(values: Float[Tensor, " B"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The same value at every token of the response, 0 off the mask."""
    return torch.where(mask, values[:, None], 0.0)


def discounted_suffix_sum(values: Float[Tensor, "B T"], gamma: float) -> Float[Tensor, "B T"]:
    """The recurrence y_t = x_t + gamma * y_{t+1}, backwards from y_T = 0.

    In blocks of about sqrt(T): within a block it is a product with the triangle of powers, and so it is from block to
    block. No loop over T, and no power of the discount that underflows and is divided by. In float64, because autocast
    and the TF32 of a GPU leave a product of float32 ten bits.
    """
    rows, width = values.shape
    block = max(1, math.isqrt(width))
    blocks = pad(values.double(), (0, -width % block)).view(rows, -1, block)
    inside = blocks @ _powers(block, gamma, values.device)
    carried = inside[:, :, 0] @ _powers(inside.shape[1], gamma**block, values.device)
    behind = pad(carried[:, 1:], (0, 1))[:, :, None]
    reach = gamma ** torch.arange(block, 0, -1, dtype=torch.float64, device=values.device)
    return torch.addcmul(inside, behind, reach).view(rows, -1)[:, :width].to(values.dtype)


def _powers(size: int, base: float, device: torch.device) -> Float[Tensor, "s t"]:
    """Base^(s - t) for s >= t, else 0; with 0^0 = 1."""
    steps = torch.arange(size, dtype=torch.float64, device=device)
    return (base ** (steps[:, None] - steps).clamp(min=0)).tril()


def pack(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Move the tokens that the policy wrote to the left, in their order; 0 behind them."""
    packed = torch.zeros_like(values)
    return packed.scatter_add_(1, _ordinal(mask), values.masked_fill(~mask, 0.0))


def unpack(packed: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Undo ``pack``."""
    return packed.gather(1, _ordinal(mask)).masked_fill_(~mask, 0.0)


def _ordinal(mask: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """How many tokens the policy wrote before."""
    return (mask.cumsum(dim=1) - 1).clamp_(min=0)


def discounted_return(rewards: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], gamma: float) -> Float[Tensor, "B T"]:
    """What is still to come, discounted a token: y_t = x_t + gamma * y_{t+1}; 0 off the mask.

    Time passes with the tokens that the policy writes: over a tool's tokens the return is carried unchanged. Without a
    discount that makes no difference, and a plain sum does.
    """
    if gamma == 1:
        return suffix_sum(rewards, mask)
    return unpack(discounted_suffix_sum(pack(rewards, mask), gamma), mask)


def generalized_advantage(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    gamma: float,
    lam: float,
) -> Float[Tensor, "B T"]:
    """GAE (Schulman et al., arXiv 1506.02438, Eq. 16); 0 off the mask, where ``values`` may be anything.

        delta_t = r_t + gamma * V(s_{t+1}) - V(s_t),    A_t = delta_t + gamma * lam * A_{t+1}

    A tool's tokens pass through: the state behind a policy token is that of the next policy token.
    """
    packed = pack(values, mask)
    next_values = unpack(pad(packed[:, 1:], (0, 1)), mask)
    deltas = (rewards + gamma * next_values - values).masked_fill(~mask, 0.0)
    return discounted_return(deltas, mask, gamma * lam)


def previous_value(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The value at the last token that the policy wrote before; 0 at the first one and off the mask."""
    return unpack(pad(pack(values, mask)[:, :-1], (1, 0)), mask)


def suffix_min(
    values: Float[Tensor, "B T"], is_paid: Bool[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """The smallest of the rewards that are still to be paid, this token's included; 0 where none is (PURE)."""
    smallest = values.masked_fill(~is_paid, torch.inf).flip(1).cummin(dim=1).values.flip(1)
    return smallest.masked_fill(~mask | (smallest == torch.inf), 0.0)


def soft_min_form(
    step_values: Float[Tensor, "B S"], step_mask: Bool[Tensor, "B S"], temperature: float
) -> Float[Tensor, "B S"]:
    """PURE's transform: each step's reward weighted by softmax(-r / temperature) over the response's steps.

    The sum is then a soft minimum: the minimum as the temperature goes to 0, the mean as it grows without bound.
    """
    weights = (-step_values / temperature).masked_fill(~step_mask, -torch.inf).softmax(dim=1)
    return (weights * step_values).masked_fill(~step_mask, 0.0)
