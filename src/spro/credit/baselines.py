"""Baselines: what a reward is compared with. Axis legend: B responses, T positions."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spro.credit.reduce import group_mean, group_size, group_std, group_sum, same_step_mean


def group_standardized(
    rewards: Float[Tensor, " B"], group_ids: Int[Tensor, " B"], std_eps: float
) -> Float[Tensor, " B"]:
    """Center on the group's mean, divide by its standard deviation (GRPO; SPRO Eq. 13, first term).

        A_i = (r_i - mean_g) / (std_g + std_eps),    std_g unbiased

    A group of one, or of equal rewards, carries no information: A = 0 exactly.
    """
    centered = rewards - group_mean(rewards, group_ids)
    return centered / (group_std(rewards, group_ids) + std_eps)


def leave_one_out(rewards: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Center each reward on the mean of the other members of its group (RLOO).

        A_i = r_i - (R_g - r_i) / (n_g - 1),    R_g = sum of the rewards of group g

    Unbiased: the baseline of i never sees r_i. A group of one carries no information: A = 0.
    """
    others = (group_size(rewards, group_ids) - 1).clamp(min=1)
    alone = group_size(rewards, group_ids) == 1
    others_mean = (group_sum(rewards, group_ids) - rewards) / others
    return torch.where(alone, torch.zeros_like(rewards), rewards - others_mean)


def masked_step_advantage(
    values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    """Center each token's value on the group's mean at the same position, over the living (SPRO Eq. 12, MSA).

    A member alone at its position is its own mean and gets 0. Sums to 0 over the living of a group at each position.
    """
    return (values - same_step_mean(values, mask, group_ids)).masked_fill(~mask, 0.0)
