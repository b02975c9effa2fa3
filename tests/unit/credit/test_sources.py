"""Where rewards are paid: numbers by hand."""

import math

import torch

from spro.credit import TokenBatch
from spro.credit.sources import (
    at_last_token,
    at_step_ends,
    last_token,
    log_ratio,
    step_end,
    sums_of_steps,
    tokens_a_step,
    tokens_of_steps,
    without_last_token,
)
from tests.unit.credit.examples import bools, floats, for_random_batches
from tests.unit.credit.loops import plain, step_tokens

# The policy wrote all but the third column; row 1 ends early; row 2 is empty.
MASK = bools([1, 1, 0, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0])
# Step 1 of row 0 goes on behind the tool's token; its last token is of no step. Row 1 has no token of its step 1.
STEP_IDS = torch.tensor([[0, 1, 1, 1, -1], [-1, 0, 1, 7, -5], [0, 1, 2, 3, 4]])
STEP_MASK = bools([1, 1, 0], [1, 1, 0], [0, 0, 0])


def test_log_ratio() -> None:
    old, ref = floats([-1, math.nan]), floats([-3, 0])
    assert log_ratio(old.requires_grad_(), ref, bools([1, 0])).tolist() == [[2, 0]]
    assert not log_ratio(old, ref, bools([1, 0])).requires_grad


def test_last_token() -> None:
    assert last_token(MASK)[:2].tolist() == [4, 1]
    assert at_last_token(floats(3.0, 5.0, 7.0), MASK).tolist() == [[0, 0, 0, 0, 3], [0, 5, 0, 0, 0], [0] * 5]
    assert without_last_token(MASK.double(), MASK).tolist() == [[1, 1, 0, 1, 0], [1, 0, 0, 0, 0], [0] * 5]


def test_step_end_of_steps_with_and_without_tokens() -> None:
    assert step_end(STEP_IDS, MASK, STEP_MASK).tolist() == [[0, 3, -1], [1, -1, -1], [-1, -1, -1]]


def test_tokens_a_step() -> None:
    assert tokens_a_step(STEP_IDS, MASK, STEP_MASK).tolist() == [[1, 2, 0], [1, 0, 0], [0, 0, 0]]


def test_a_step_without_a_token_pays_nothing() -> None:
    rewards = floats([2, 3, math.nan], [5, 7, math.nan], [math.nan, math.nan, math.nan])
    paid = at_step_ends(rewards, STEP_MASK, STEP_IDS, MASK)
    assert paid.tolist() == [[2, 0, 0, 3, 0], [0, 5, 0, 0, 0], [0] * 5]


def test_sums_of_steps() -> None:
    values = floats([1, 2, 99, 3, 4], [5, 6, 99, 99, 99], [99, 99, 99, 99, 99])
    sums, has_step = sums_of_steps(values, STEP_IDS, MASK)
    assert sums.tolist() == [[1, 5, 0, 0, 0], [6, 0, 0, 0, 0], [0] * 5]
    assert has_step.tolist() == bools([1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0] * 5).tolist()


def test_tokens_of_steps() -> None:
    step_values = floats([2, 3, 99], [5, 7, 99], [99, 99, 99])
    assert tokens_of_steps(step_values, STEP_IDS, MASK).tolist() == [[2, 3, 0, 3, 0], [0, 5, 0, 0, 0], [0] * 5]


@for_random_batches()
def test_steps_against_their_loop(batch: TokenBatch) -> None:
    p = plain(batch)
    ends = step_end(batch.step_ids, batch.response_mask, batch.step_mask).tolist()
    counts = tokens_a_step(batch.step_ids, batch.response_mask, batch.step_mask).tolist()
    for i, here in enumerate(p.response_mask):
        steps = step_tokens(p.step_ids[i], here)
        assert ends[i] == [max(steps.get(k, [-1])) for k in range(len(ends[i]))]
        assert counts[i] == [len(steps.get(k, [])) for k in range(len(counts[i]))]
