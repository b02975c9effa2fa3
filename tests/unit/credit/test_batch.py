"""Some rows of a batch, cut to their width."""

from dataclasses import fields

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spro.credit import GRPO, TokenBatch
from spro.credit.flows import whole_response
from spro.errors import BatchError
from tests.strategies import token_batches
from tests.unit.credit.examples import bools, floats

OF_RESPONSES = {"group_ids", "outcome_rewards", "greedy_rewards"}
OF_STEPS = {"step_rewards", "step_values", "step_mask"}


@given(token_batches(), st.data())
def test_each_tensor_of_some_rows_by_the_loop(batch: TokenBatch, data: st.DataObject) -> None:
    """In any order, and one row more than once; the columns that are cut hold nothing of these rows."""
    everyone = range(batch.shape[0])
    rows = data.draw(st.lists(st.sampled_from(everyone), min_size=1, max_size=5))
    written = [t for row in rows for t, here in enumerate(batch.response_mask[row].tolist()) if here]
    width = data.draw(st.integers(max(written, default=0) + 1, batch.shape[1]))
    chosen = batch.select(torch.tensor(rows), width)
    assert chosen.shape == (len(rows), width)
    for field in fields(TokenBatch):
        whole, part = getattr(batch, field.name).tolist(), getattr(chosen, field.name).tolist()
        cut = None if field.name in OF_RESPONSES | OF_STEPS else width
        expected = [whole[row] if field.name in OF_RESPONSES else whole[row][:cut] for row in rows]
        assert repr(part) == repr(expected), field.name


def test_what_a_batch_does_not_have_its_part_does_not_have() -> None:
    batch = TokenBatch(
        response_mask=bools([1, 1, 1], [1, 0, 0]), group_ids=torch.tensor([4, 7]), outcome_rewards=floats(1.0, 0.5),
        values=floats([1, 2, 3], [4, 5, 6]),
    )  # fmt: skip
    part = batch.select(torch.tensor([1]), 1)
    assert {name for name, tensor in vars(part).items() if tensor is not None} == {
        "response_mask", "group_ids", "outcome_rewards", "values",
    }  # fmt: skip
    assert part.values is not None
    assert (part.group_ids.tolist(), part.outcome_rewards.tolist(), part.values.tolist()) == ([7], [0.5], [[4.0]])


def test_a_part_is_checked_like_a_batch() -> None:
    batch = TokenBatch(
        response_mask=bools([1, 1], [1, 0]), group_ids=torch.tensor([0, 0]), outcome_rewards=floats(1.0, 0.0)
    )
    with pytest.raises(BatchError, match="at least one response"):
        batch.select(torch.tensor([], dtype=torch.int64), 1)


@given(token_batches())
def test_by_default_a_critic_would_learn_the_outcome_at_every_token(batch: TokenBatch) -> None:
    returns = GRPO().returns(batch)
    torch.testing.assert_close(returns, whole_response(batch.outcome_rewards, batch.response_mask))
    for row, reward in enumerate(batch.outcome_rewards.tolist()):
        assert returns[row].tolist() == [reward if here else 0.0 for here in batch.response_mask[row].tolist()]
