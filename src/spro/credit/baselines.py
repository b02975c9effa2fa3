"""Baselines: what a reward is compared with.

What lies off the mask is 0 when it comes here, and is 0 again when it leaves. Axis legend: B responses, T positions,
N positions or steps.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spro.credit.reduce import (
    group_mean,
    group_std,
    group_sum,
    is_alone,
    masked_mean,
    other_groups_sum,
    others_mean,
    same_step_mean,
)

WHITEN_EPS = 1e-8
"""Added to the variance (verl's ``masked_whiten``)."""


def group_centered(rewards: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Center on the group's mean, the own reward included: A_i = r_i - mean_g (Dr. GRPO)."""
    return rewards - group_mean(rewards, group_ids)


def group_standardized(
    rewards: Float[Tensor, " B"], group_ids: Int[Tensor, " B"], std_eps: float
) -> Float[Tensor, " B"]:
    """Center on the group's mean, divide by its standard deviation (GRPO; SPRO Eq. 13, first term).

        A_i = (r_i - mean_g) / (std_g + std_eps),    std_g unbiased

    A group of one, or of equal rewards, carries no information: A = 0 exactly.
    """
    return group_centered(rewards, group_ids) / (group_std(rewards, group_ids) + std_eps)


def leave_one_out(rewards: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Center each reward on the mean of the other members of its group (RLOO).

        A_i = r_i - (R_g - r_i) / (n_g - 1),    R_g = sum of the rewards of group g

    Unbiased: the baseline of i never sees r_i. A group of one carries no information: A = 0.
    """
    return rewards - others_mean(rewards, group_ids)


def length_weighted(
    rewards: Float[Tensor, " B"], mask: Bool[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Center on the group's mean weighted by length: A_i = r_i - sum |y_k| r_k / sum |y_k| (OPO).

    Subtracting the own reward first keeps a group of equal rewards at exactly 0.
    """
    lengths = mask.sum(dim=1).to(rewards.dtype)
    centered = group_centered(rewards, group_ids)
    weighted = group_sum(lengths * centered, group_ids) / group_sum(lengths, group_ids).clamp(min=1)
    return centered - weighted


def masked_step_advantage(
    values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B N"]:
    """Center each token's value on the group's mean at the same position, over the living (SPRO Eq. 12, MSA).

    A member alone at its position is its own mean and gets 0. Sums to 0 over the living of a group at each position.
    """
    mean = same_step_mean(values, mask, group_ids)
    return torch.sub(values, mean, out=mean).masked_fill_(~mask, 0.0)


def others_step_advantage(
    values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B N"]:
    """Center each token's value on the mean of the other living members at the same position.

        x - (n m - x) / (n - 1) = (x - m) n / (n - 1),    m the mean over the n living, the own value included

    A member alone at its position gets 0.
    """
    living = group_sum(mask.to(values.dtype), group_ids)
    return masked_step_advantage(values, mask, group_ids) * living / (living - 1).clamp(min=1)


def same_step_std(
    centered: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B N"]:
    """Unbiased deviation over the living members at the same position, of values centered there; 0 for one alone."""
    squares = group_sum(centered.square(), group_ids)
    living = group_sum(mask.to(centered.dtype), group_ids)
    return (squares / (living - 1).clamp(min=1)).sqrt()


def leave_one_out_tokens(
    values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    """Center all tokens of a response on one number: the mean over the other members of their tokens' mean (PRIME).

    0 off the mask and in a group of one.
    """
    baseline = others_mean(masked_mean(values, mask), group_ids)[:, None]
    return (values - baseline).masked_fill(~mask | is_alone(group_ids)[:, None], 0.0)


def pooled_standardized(
    values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"], group_ids: Int[Tensor, " B"], std_eps: float
) -> Float[Tensor, "B N"]:
    """Standardize over all entries of all members of the group together (GRPO process supervision; unbiased).

    Reads a tensor of the batch itself, so what lies off the mask is cleared first.
    """
    count = group_sum(mask.sum(dim=1), group_ids)[:, None]
    total = group_sum(values.masked_fill(~mask, 0.0).sum(dim=1), group_ids)[:, None]
    centered = (values - total / count.clamp(min=1)).masked_fill(~mask, 0.0)
    # Once more: of equal rewards the rounding of the mean is left, and a deviation of zero would blow it up.
    rest = group_sum(centered.sum(dim=1), group_ids)[:, None] / count.clamp(min=1)
    centered = (centered - rest).masked_fill(~mask, 0.0)
    squares = group_sum(centered.square().sum(dim=1), group_ids)[:, None]
    return centered / ((squares / (count - 1).clamp(min=1)).sqrt() + std_eps)


def whitened(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Mean 0 and variance 1 over all tokens of the batch; 0 off the mask.

    Unbiased variance with 1e-8 added to it, as verl's ``masked_whiten``; which refuses a single token, where this gives
    0.
    """
    count = mask.sum()
    centered = (values - values.sum() / count.clamp(min=1)).masked_fill_(~mask, 0.0)
    variance = centered.square().sum() / (count - 1).clamp(min=1)
    return centered * (variance + WHITEN_EPS).rsqrt()


def masked_std(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Standard deviation over all tokens of the batch, biased."""
    count = mask.sum().clamp(min=1)
    mean = values.sum() / count
    return ((values - mean).masked_fill(~mask, 0.0).square().sum() / count).sqrt()


def regress_on_other_groups(
    target: Float[Tensor, "B T"], feature: Float[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Slope of the least-squares line through the origin, fitted on the tokens of all other groups.

        lambda_g = sum over groups h != g of x y / sum over groups h != g of x^2

    What a group's own tokens are multiplied with never saw them. 0 where there is no other group, or no signal in it.
    Both tensors are 0 off the mask.
    """
    products = other_groups_sum((target * feature).sum(dim=1), group_ids)
    squares = other_groups_sum(feature.square().sum(dim=1), group_ids)
    return torch.where(squares > 0, products / squares.where(squares > 0, 1.0), 0.0)
