"""How a critic learns. Axis legend: B responses, T positions."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def value_loss(
    values: Float[Tensor, "B T"],
    old_values: Float[Tensor, "B T"],
    returns: Float[Tensor, "B T"],
    value_clip: float,
) -> Float[Tensor, "B T"]:
    """max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2, a token each, unreduced.

    PPO's clip of the value (as in verl's ``compute_value_loss``): a value that has moved by more than c from what it
    was when it was used gains nothing by moving on towards its target.

    Args:
        values: V(s_t), with gradient.
        old_values: what the advantages were made with.
        returns: targets.
        value_clip: c, in units of reward.
    """
    clipped = values.clamp(old_values - value_clip, old_values + value_clip)
    return torch.maximum((values - returns).square(), (clipped - returns).square()) / 2


def is_value_clipped(
    values: Float[Tensor, "B T"],
    old_values: Float[Tensor, "B T"],
    returns: Float[Tensor, "B T"],
    value_clip: float,
) -> Bool[Tensor, "B T"]:
    """Where the clip decided."""
    clipped = values.clamp(old_values - value_clip, old_values + value_clip)
    return (clipped - returns).square() > (values - returns).square()


def explained_variance(
    values: Float[Tensor, "B T"], returns: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """1 - Var(R - V) / Var(R) over the tokens: 1 of a perfect critic, 0 of a constant, 0 where all R are equal."""
    spread = returns[mask].var(correction=0)
    unexplained = (returns - values)[mask].var(correction=0)
    return torch.where(spread > 0, 1 - unexplained / spread, torch.zeros_like(spread))
