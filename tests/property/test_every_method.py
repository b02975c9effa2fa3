"""What holds for every method of the registry, a new one included: nothing here names one."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.credit import METHODS, Method, TokenBatch
from spro.errors import BatchError
from tests.strategies import default_method, filled, rows_of, token_batches, widened
from tests.unit.credit.examples import with_hole

pytestmark = pytest.mark.parametrize("method", [pytest.param(default_method(name), id=name) for name in METHODS])
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@settings(max_examples=30)
@given(batch=token_batches(), extra=st.integers(1, 4))
def test_padding_width_changes_nothing(method: Method, batch: TokenBatch, extra: int) -> None:
    expected = torch.nn.functional.pad(method(batch), (0, extra))
    torch.testing.assert_close(method(widened(batch, extra)), expected, **CLOSE)


@settings(max_examples=30)
@given(batch=token_batches(), data=st.data())
def test_a_column_that_nobody_wrote_changes_nothing(method: Method, batch: TokenBatch, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, batch.shape[1]))
    advantages = method(with_hole(batch, at))
    torch.testing.assert_close(torch.cat([advantages[:, :at], advantages[:, at + 1 :]], dim=1), method(batch), **CLOSE)


@settings(max_examples=30)
@given(batch=token_batches(), data=st.data())
def test_row_order_changes_nothing(method: Method, batch: TokenBatch, data: st.DataObject) -> None:
    order = torch.tensor(data.draw(st.permutations(range(batch.shape[0]))))
    torch.testing.assert_close(method(rows_of(batch, order)), method(batch)[order], **CLOSE)


@settings(max_examples=30)
@given(batch=token_batches(), factor=st.sampled_from([-7, 2, 1000]))
def test_group_labels_change_nothing(method: Method, batch: TokenBatch, factor: int) -> None:
    relabeled = replace(batch, group_ids=batch.group_ids * factor + 11)
    torch.testing.assert_close(method(relabeled), method(batch), **CLOSE)


@settings(max_examples=30)
@given(batch=token_batches())
def test_zero_off_the_mask_and_finite_on_it(method: Method, batch: TokenBatch) -> None:
    advantages = method(batch)
    assert advantages.dtype is batch.outcome_rewards.dtype
    assert (advantages[~batch.response_mask] == 0).all()
    assert advantages.isfinite().all()


@settings(max_examples=30)
@given(batch=token_batches())
def test_terms_add_up_to_the_advantage(method: Method, batch: TokenBatch) -> None:
    terms = method.terms(batch)
    torch.testing.assert_close(sum(terms.values()), method(batch), **CLOSE)
    assert all((term[~batch.response_mask] == 0).all() for term in terms.values())


@settings(max_examples=30)
@given(batch=token_batches())
def test_only_what_is_needed_is_read(method: Method, batch: TokenBatch) -> None:
    given_to_it = {"response_mask", "group_ids", "outcome_rewards", *method.needs}
    bare = TokenBatch(**{name: getattr(batch, name) for name in given_to_it})
    torch.testing.assert_close(method(bare), method(batch), **CLOSE)


@settings(max_examples=30)
@given(batch=token_batches())
def test_groups_are_judged_alone_unless_the_method_says_otherwise(method: Method, batch: TokenBatch) -> None:
    if method.scope == "group":
        torch.testing.assert_close(_group_by_group(method, batch), method(batch), **CLOSE)


def test_a_method_of_batch_scope_needs_the_batch(method: Method) -> None:
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]])
    batch = filled(mask.bool(), [0, 1, 0, 1, 1, 2], [1.0, 0.0, 0.0, 0.25, 1.0, 1.0], torch.Generator().manual_seed(1))
    assert torch.allclose(_group_by_group(method, batch), method(batch)) == (method.scope == "group")


def _group_by_group(method: Method, batch: TokenBatch) -> torch.Tensor:
    """Each group in a batch of its own, as wide as it needs."""
    advantages = torch.zeros_like(method(batch))
    for group in batch.group_ids.unique():
        rows = (batch.group_ids == group).nonzero().squeeze(1)
        written = batch.response_mask[rows].any(dim=0).nonzero()
        width = int(written.max()) + 1 if len(written) else 1
        advantages[rows, :width] = method(batch.select(rows, width))
    return advantages


@settings(max_examples=30)
@given(batch=token_batches())
def test_the_batch_is_left_as_it_was(method: Method, batch: TokenBatch) -> None:
    before = {name: tensor.clone() for name, tensor in vars(batch).items()}
    method(batch)
    for name, tensor in before.items():
        torch.testing.assert_close(getattr(batch, name), tensor, rtol=0, atol=0, equal_nan=True)


@settings(max_examples=3)
@given(batch=token_batches())
def test_a_missing_tensor_is_an_error_that_names_method_and_tensor(method: Method, batch: TokenBatch) -> None:
    for tensor in method.needs:
        goes_along = ("step_rewards", "step_values") if tensor == "step_mask" else ()
        lacking = replace(batch, **dict.fromkeys((tensor, *goes_along)))
        for assign in (method, method.assign):
            with pytest.raises(BatchError, match=f"'{method.name}' needs {tensor},"):
                assign(lacking)


@settings(max_examples=30)
@given(batch=token_batches())
def test_float32_and_mixed_types_say_what_float64_says(method: Method, batch: TokenBatch) -> None:
    # Rewards far apart: what is divided by a deviation that is all rounding has no digits to keep.
    apart = replace(batch, outcome_rewards=(4 * batch.outcome_rewards).round())
    single = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in vars(apart).items()}
    expected = method(apart)
    for tensors in (single, single | {"outcome_rewards": apart.outcome_rewards}):
        torch.testing.assert_close(method(TokenBatch(**tensors)).double(), expected, rtol=1e-3, atol=1e-3)


@settings(max_examples=5)
@given(batch=token_batches())
def test_nothing_depends_on_a_value_and_nothing_waits_for_one(method: Method, batch: TokenBatch) -> None:
    # Tensors without values: a branch on data, a shape that depends on data or a copy to the host is an error.
    empty = TokenBatch(**{name: tensor.to("meta") for name, tensor in vars(batch).items()})
    assert method(empty).shape == batch.shape
