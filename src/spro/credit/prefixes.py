"""Which members of a group begin alike. Axis legend: B responses, T positions."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from spro.credit.reduce import first_member

# Odd constants of splitmix64 (Steele et al., 2014), as signed 64-bit integers.
_GOLDEN = -0x61C8864680B583EB
_MIX_1 = -0x40A7B892E31B1A47
_MIX_2 = -0x6B2FB644ECCEEE15


def sharing_prefix(
    token_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"], group_ids: Int[Tensor, " B"]
) -> Int[Tensor, "B T"]:
    """Members of the group, the response itself included, that wrote the same tokens up to and including t.

    Only what the policy wrote is compared, and where; 1 off the mask. A prefix is known by a 64-bit hash, the sum of a
    hash of each (token, position): two prefixes of a batch of a million are mistaken for one another with a
    probability of about 3e-8.
    """
    rows, width = mask.shape
    positions = torch.arange(width, device=mask.device)
    written = _mix(token_ids.long() * _GOLDEN + positions + 1).masked_fill(~mask, 0)
    prefix = written.cumsum(dim=1) + _mix(first_member(group_ids) + _GOLDEN)[:, None]
    # Two lengths of one response must not look alike, nor a dead row like a living one: each is alone.
    alone = _mix(torch.arange(rows, device=mask.device)[:, None] - rows * (positions + 1))
    return _equal_in_column(torch.where(mask, prefix, alone))


def _mix(values: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Spread integers over 64 bits (the finalizer of splitmix64; overflow wraps around)."""
    values = (values ^ _shift(values, 30)) * _MIX_1
    values = (values ^ _shift(values, 27)) * _MIX_2
    return values ^ _shift(values, 31)


def _shift(values: Int[Tensor, "*shape"], bits: int) -> Int[Tensor, "*shape"]:
    """Logical shift to the right, of signed integers."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _equal_in_column(values: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """How often each value stands in its column."""
    ordered, order = values.sort(dim=0)
    begins = torch.ones_like(ordered, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    run = begins.cumsum(dim=0) - 1
    counts = torch.zeros_like(run).scatter_add(0, run, torch.ones_like(run)).gather(0, run)
    return torch.empty_like(counts).scatter(0, order, counts)
