"""Passes over a step's rows in which something learns: mini-batches of groups, micro-batches of rows."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.train.optimizer import Applied, Optimizer

SavingMemory = Callable[[PreTrainedModel], AbstractContextManager[object]]
"""Makes a context for a forward whose backward is to come, such as ``checkpointed``."""
Rows = tuple[int, ...]
"""Numbers of the rows of a micro-batch."""


def mini_batches(groups: int, count: int) -> Iterator[tuple[int, int]]:
    """Cut so many groups into ``count`` runs of nearly equal number; empty ones are left out."""
    cuts = [groups * part // count for part in range(count + 1)]
    yield from ((first, last) for first, last in pairwise(cuts) if first < last)


def optimizer_step(
    optimizer: Optimizer,
    parts: Iterable[Rows],
    micro_batch: Callable[[Rows], Tensor],
    check: Callable[[], None],
) -> tuple[Tensor, Applied]:
    """One optimizer step on the gradients of some micro-batches.

    Args:
        optimizer: of what learns.
        parts: rows of each micro-batch, at least one.
        micro_batch: adds the gradient of its rows, and returns their share of the loss and of other sums, [k].
        check: called before each micro-batch; what it raises ends the step with nothing changed.

    Returns:
        the sums over the micro-batches, [k], and what became of the step.
    """
    shares = []
    try:
        for rows in parts:
            check()
            shares.append(micro_batch(rows))
    except BaseException:
        optimizer.forget()
        raise
    total = torch.stack(shares).sum(dim=0)
    return total, optimizer.step(total[0])
