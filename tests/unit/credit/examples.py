"""Batches small enough for a pencil, and what can be done to a batch."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spro.credit import Method, TokenBatch
from spro.errors import BatchError
from tests.strategies import token_batches

betas = st.floats(0.0, 2.0)
small = st.floats(1e-8, 1.0)
shares = st.floats(0.0, 1.0)

NOT_ABOVE_ZERO = (0.0, -1.0, math.inf, math.nan)
NEGATIVE = (-1.0, math.inf, math.nan)
NOT_FINITE = (-math.inf, math.inf, math.nan)
NO_SHARE = (-0.1, 1.1, math.nan)


def for_random_batches(*hyper_parameters: st.SearchStrategy) -> Callable:
    """Run the test on random ragged batches, with random hyper-parameters."""
    return lambda test: settings(max_examples=60)(given(token_batches(), *hyper_parameters)(test))


def assert_refused(method: Callable[..., Method], **impossible: tuple[float, ...]) -> None:
    """Each of the values is an error that names the field."""
    for field, values in impossible.items():
        for value in values:
            with pytest.raises(BatchError, match=f"^{field} is "):
                method(**{field: value})


def bools(*rows: list[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool)


def floats(*rows: list[float] | float) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def example(**changes: Tensor) -> TokenBatch:
    """Two prompts, their members interleaved (rows 0 and 2, rows 1 and 3), one response longer than the others.

    The log-ratio of old and reference is [1, 0, 2], [0], [1, 2], [2, 0].
    """
    tensors = {
        "response_mask": bools([1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 0]),
        "group_ids": torch.tensor([0, 1, 0, 1]),
        "outcome_rewards": floats(1.0, 1.0, 0.0, 1.0),
        "old_log_probs": floats([-1, -1, -1], [-2, 9, 9], [-1, -2, 9], [-1, -1, 9]),
        "ref_log_probs": floats([-2, -1, -3], [-2, 9, 9], [-2, -4, 9], [-3, -1, 9]),
    }
    return TokenBatch(**(tensors | changes))


def pair(**changes: Tensor) -> TokenBatch:
    """A right response of two tokens and a wrong one of one token, to the same prompt."""
    tensors = {
        "response_mask": bools([1, 1], [1, 0]),
        "group_ids": torch.tensor([0, 0]),
        "outcome_rewards": floats(1.0, 0.0),
    }
    return TokenBatch(**(tensors | changes))


def single(**changes: Tensor) -> TokenBatch:
    """One right response of three tokens."""
    tensors = {
        "response_mask": bools([1, 1, 1]),
        "group_ids": torch.tensor([0]),
        "outcome_rewards": floats(1.0),
    }
    return TokenBatch(**(tensors | changes))


def of_one_token(batch: TokenBatch) -> TokenBatch:
    """The same rewards and groups, every response one token long, so that a row is one number."""
    ones = torch.ones(batch.shape[0], 1, dtype=torch.bool)
    return TokenBatch(response_mask=ones, group_ids=batch.group_ids, outcome_rewards=batch.outcome_rewards)


def unmoved(batch: TokenBatch) -> TokenBatch:
    """The policy equals the reference."""
    return replace(batch, ref_log_probs=batch.old_log_probs)


def moved_left(batch: TokenBatch) -> tuple[TokenBatch, Tensor]:
    """The responses without their holes, and the position [B, T] that each token has come from."""
    order = torch.argsort((~batch.response_mask).long(), dim=1, stable=True)
    return _map_tokens(batch, lambda tensor: tensor.gather(1, order)), order


def with_hole(batch: TokenBatch, at: int) -> TokenBatch:
    """A column of junk, which nobody wrote, before the position ``at``."""
    junk = {torch.bool: False, torch.int64: -1, torch.float64: math.nan}

    def insert(tensor: Tensor) -> Tensor:
        column = torch.full((batch.shape[0], 1), junk[tensor.dtype], dtype=tensor.dtype)
        return torch.cat([tensor[:, :at], column, tensor[:, at:]], dim=1)

    return _map_tokens(batch, insert)


def _map_tokens(batch: TokenBatch, change: Callable[[Tensor], Tensor]) -> TokenBatch:
    of_tokens = {
        name: tensor
        for name, tensor in vars(batch).items()
        if tensor is not None and tensor.dim() == 2 and name not in {"step_rewards", "step_values", "step_mask"}
    }
    return TokenBatch(**vars(batch) | {name: change(tensor) for name, tensor in of_tokens.items()})
