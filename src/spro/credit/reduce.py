"""Reductions over a group and over the members of a group at the same step.

Every function returns one value a row (or a token), the value of the group that the row belongs to, so that callers
never see a group axis. What lies off the mask is 0 when it comes here: sources clear it, and flows keep it so.

Axis legend: B responses, T positions, N positions or steps. A group is named by its first member, so labels may be any
integers.
"""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import pad


def first_member(group_ids: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """Row of the first response of each response's group: ``[7, 3, 7]`` -> ``[0, 1, 0]``.

    By sorting, so that neither time nor memory grow with the square of B, and the device is never waited for.
    """
    ordered, order = group_ids.sort(stable=True)
    begins = torch.ones_like(group_ids, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    positions = torch.arange(len(group_ids), device=group_ids.device)
    begin_of_run = positions.masked_fill(~begins, 0).cummax(dim=0).values
    return torch.empty_like(order).scatter(0, order, order[begin_of_run])


def group_sum(values: Shaped[Tensor, "B ..."], group_ids: Int[Tensor, " B"]) -> Shaped[Tensor, "B ..."]:
    """Sum over the members of the group, at every member."""
    first = first_member(group_ids)
    return torch.zeros_like(values).index_add_(0, first, values)[first]


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


def is_alone(group_ids: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
    """True for a group of one, in which nothing can be compared."""
    return group_sum(torch.ones_like(group_ids), group_ids) == 1


def others_mean(values: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean over the other members of the group; a group of one has no others and gets its own value."""
    others = (group_size(values, group_ids) - 1).clamp(min=1)
    mean_of_others = (group_sum(values, group_ids) - values) / others
    return torch.where(is_alone(group_ids), values, mean_of_others)


def other_groups_sum(values: Float[Tensor, " B"], group_ids: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Sum over the rows of all other groups.

    Of what stands before and behind the group in the order of the labels: the total minus the own sum would leave the
    rounding of the own values behind.
    """
    ordered, order = group_ids.sort(stable=True)
    before = pad(values[order].cumsum(dim=0), (1, 0))
    behind = pad(values[order].flip(0).cumsum(dim=0).flip(0), (0, 1))
    begin = torch.searchsorted(ordered, group_ids)
    end = torch.searchsorted(ordered, group_ids, right=True)
    return before[begin] + behind[end]


def masked_mean(values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """Mean over a response's own tokens (or steps); 0 where it has none. ``values`` are 0 off the mask."""
    return values.sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def same_step_mean(
    values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"], group_ids: Int[Tensor, " B"]
) -> Float[Tensor, "B N"]:
    """Mean over the members of the group that have a token (or a step) at the same place; 0 where none has one.

    ``values`` are 0 off the mask. Two buffers do the work of four: to ask for fresh memory costs more than to compute.
    """
    first = first_member(group_ids)
    is_here = mask.to(values.dtype)
    living = torch.zeros_like(values).index_add_(0, first, is_here)
    totals = is_here.zero_().index_add_(0, first, values)
    return torch.index_select(totals.div_(living.clamp_(min=1)), 0, first, out=living)
