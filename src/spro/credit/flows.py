"""Flows: how a reward travels along the response. Axis legend: B responses, T positions, S steps."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad


def prefix_sum(values: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """What has been collected up to and including each token: y_t = sum over j <= t of x_j (SPRO Eq. 11)."""
    return values.cumsum(dim=1)


def suffix_sum(values: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """What is still to come, this token included: y_t = sum over j >= t of x_j."""
    return values.flip(1).cumsum(dim=1).flip(1)


def whole_response(values: Float[Tensor, " B"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The same value at every token of the response, 0 off the mask."""
    return values[:, None] * mask


def reverse_recurrence(values: Float[Tensor, "B T"], carry: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The linear recurrence y_t = x_t + c_t y_{t+1}, backwards from y_T = 0.

    By doubling: once y_t holds the first k terms of its sum, and c_t the product of the first k carries, adding
    c_t y_{t+k} makes it 2k terms. So log2(T) passes over the tensor and no loop over T, and no power of a small carry
    that underflows and is divided by.
    """
    reach = 1
    while reach < values.shape[1]:
        values = values + carry * pad(values[:, reach:], (0, reach))
        carry = carry * pad(carry[:, reach:], (0, reach))
        reach *= 2
    return values


def discounted_return(
    rewards: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], discount: float
) -> Float[Tensor, "B T"]:
    """What is still to come, discounted a token: y_t = x_t + discount * y_{t+1}; 0 off the mask.

    Time passes with the tokens that the policy writes: over a tool's tokens the return is carried unchanged.
    """
    carry = torch.ones_like(rewards).masked_fill_(mask, discount)
    return reverse_recurrence(rewards.masked_fill(~mask, 0.0), carry).masked_fill(~mask, 0.0)


def next_value(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The value at the next token that the policy writes; 0 behind the last one."""
    own = values.masked_fill(~mask, 0.0)
    own_or_later = reverse_recurrence(own, (~mask).to(own.dtype))
    return pad(own_or_later[:, 1:], (0, 1))


def generalized_advantage(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    discount: float,
    gae_lambda: float,
) -> Float[Tensor, "B T"]:
    """GAE (Schulman et al., arXiv 1506.02438, Eq. 16); 0 off the mask.

        delta_t = r_t + discount * V(s_{t+1}) - V(s_t),    A_t = delta_t + discount * gae_lambda * A_{t+1}

    A tool's tokens pass through: the state behind a policy token is that of the next policy token.
    """
    deltas = rewards + discount * next_value(values, mask) - values
    return discounted_return(deltas, mask, discount * gae_lambda)


def previous_value(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The value at the last token that the policy wrote before; 0 at the first one and off the mask."""
    positions = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    last_written = positions.masked_fill(~mask, -1).cummax(dim=1).values
    previous = pad(last_written[:, :-1], (1, 0), value=-1)
    return values.gather(1, previous.clamp(min=0)).masked_fill(~mask | (previous < 0), 0.0)


def suffix_min(values: Float[Tensor, "B T"], is_paid: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The smallest of the rewards that are still to be paid, this token's included; 0 where none is (PURE)."""
    smallest = values.masked_fill(~is_paid, torch.inf).flip(1).cummin(dim=1).values.flip(1)
    return smallest.masked_fill(smallest == torch.inf, 0.0)


def soft_min_form(
    step_values: Float[Tensor, "B S"], step_mask: Bool[Tensor, "B S"], temperature: float
) -> Float[Tensor, "B S"]:
    """PURE's transform: each step's reward weighted by softmax(-r / temperature) over the response's steps.

    The sum is then a soft minimum: the minimum as the temperature goes to 0, the mean as it grows without bound.
    """
    weights = (-step_values / temperature).masked_fill(~step_mask, -torch.inf).softmax(dim=1)
    return (weights * step_values).masked_fill(~step_mask, 0.0)
