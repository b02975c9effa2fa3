"""Reductions over a group and over the members of a group at the same step.

Every function returns one value a row (or a token), the value of the group that the row belongs to, so that callers
never see a group axis. Values off the mask are replaced before they are summed: NaN there stays there.

Axis legend: B responses, T positions. A group is named by its first member, so labels may be any integers.
"""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor


def first_member(group_ids: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """Row of the first response of each response's group: ``[7, 3, 7]`` -> ``[0, 1, 0]``."""
    same_group = group_ids[:, None] == group_ids[None, :]
    return same_group.int().argmax(dim=1)


def group_sum(values: Shaped[Tensor, "B ..."], group_ids: Int[Tensor, " B"]) -> Shaped[Tensor, "B ..."]:
    """Sum over the members of the group, at every member."""
    first = first_member(group_ids)
    return torch.zeros_like(values).index_add(0, first, values)[first]


def group_size(values: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Number of members of the group, at every member, in the dtype of ``values``."""
    return group_sum(torch.ones_like(values), group_ids)


def group_mean(values: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean over the members of the group, at every member; exactly ``values`` where they are all equal.

    Summing differences from the first member keeps a group of equal rewards free of the rounding that a division by a
    standard deviation of zero would blow up.
    """
    first_values = values[first_member(group_ids)]
    differences = group_sum(values - first_values, group_ids)
    return first_values + differences / group_size(values, group_ids)


def group_std(values: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Unbiased standard deviation (n - 1) over the members of the group; a group of one has 0."""
    squares = group_sum((values - group_mean(values, group_ids)).square(), group_ids)
    return (squares / (group_size(values, group_ids) - 1).clamp(min=1)).sqrt()


def same_step_mean(
    values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    """Mean over the members of the group that have a token at the same position; 0 where none has one."""
    totals = group_sum(values.masked_fill(~mask, 0.0), group_ids)
    living = group_sum(mask.to(values.dtype), group_ids)
    return totals / living.clamp(min=1)
