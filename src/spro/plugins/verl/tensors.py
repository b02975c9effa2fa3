"""What verl's trainer has and does not tell an estimator, carried to it beside the call."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scores:
    """Of a batch of verl, each [B, T] and as long as its ``response_mask``.

    Attributes:
        tensors: by their names in ``TokenBatch``; those that this run computes.
        log: the estimator puts its metrics in here, for verl's call returns tensors alone.
    """

    tensors: dict[str, Tensor]
    log: dict[str, float] = field(default_factory=dict)


_CURRENT: ContextVar[Scores | None] = ContextVar("spro_scores", default=None)


@contextmanager
def carried(scores: Scores) -> Iterator[None]:
    """Within it, ``current_scores`` gives them."""
    token = _CURRENT.set(scores)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_scores() -> Scores:
    """Those of the batch whose advantages are being computed; none, where a trainer carries nothing."""
    return _CURRENT.get() or Scores({})
