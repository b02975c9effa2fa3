"""Every fact that the design lists under "SPRO, exactly", and the invariances of all methods."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spro.credit import GRPO, METHODS, SPRO, Method, TokenBatch
from spro.credit.baselines import masked_step_advantage
from spro.credit.reduce import first_member, group_sum
from tests.strategies import token_batches

ALL_METHODS = [pytest.param(method(), id=name) for name, method in METHODS.items()]


def rows(batch: TokenBatch, order: torch.Tensor) -> TokenBatch:
    return TokenBatch(
        response_mask=batch.response_mask[order],
        group_ids=batch.group_ids[order],
        outcome_rewards=batch.outcome_rewards[order],
        old_log_probs=batch.old_log_probs[order],
        ref_log_probs=batch.ref_log_probs[order],
    )


def widen(tensor: torch.Tensor, extra: int, value: float) -> torch.Tensor:
    return torch.nn.functional.pad(tensor, (0, extra), value=value)


@given(token_batches())
def test_beta_zero_is_grpo_exactly(batch: TokenBatch) -> None:
    assert torch.equal(SPRO(beta=0.0)(batch), GRPO()(batch))


@given(token_batches(), st.floats(0.0, 2.0))
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    unmoved = replace(batch, ref_log_probs=batch.old_log_probs)
    assert torch.equal(SPRO(beta=beta)(unmoved), GRPO()(unmoved))


@given(token_batches())
def test_msa_sums_to_zero_over_the_living(batch: TokenBatch) -> None:
    sums = group_sum(SPRO(beta=1.0).terms(batch)["msa"], batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@given(token_batches())
def test_alone_at_a_step_gets_no_process_credit(batch: TokenBatch) -> None:
    living = group_sum(batch.response_mask.double(), batch.group_ids)
    alone = batch.response_mask & (living == 1)
    assert (SPRO(beta=1.0).terms(batch)["msa"][alone] == 0).all()


@given(token_batches(), st.floats(-5, 5))
def test_a_constant_on_all_cpr_of_a_group_changes_nothing(batch: TokenBatch, constant: float) -> None:
    cpr = torch.randn(batch.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shift = constant * first_member(batch.group_ids)[:, None]
    shifted = masked_step_advantage(cpr + shift, batch.response_mask, batch.group_ids)
    torch.testing.assert_close(
        shifted, masked_step_advantage(cpr, batch.response_mask, batch.group_ids), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("method", ALL_METHODS)
@given(batch=token_batches(), extra=st.integers(1, 4))
def test_padding_width_changes_nothing(method: Method, batch: TokenBatch, extra: int) -> None:
    wide = TokenBatch(
        response_mask=widen(batch.response_mask, extra, False),
        group_ids=batch.group_ids,
        outcome_rewards=batch.outcome_rewards,
        old_log_probs=widen(batch.old_log_probs, extra, float("nan")),
        ref_log_probs=widen(batch.ref_log_probs, extra, float("inf")),
    )
    assert torch.equal(method(wide), widen(method(batch), extra, 0.0))


@pytest.mark.parametrize("method", ALL_METHODS)
@given(batch=token_batches(), data=st.data())
def test_row_order_changes_nothing(method: Method, batch: TokenBatch, data: st.DataObject) -> None:
    order = torch.tensor(data.draw(st.permutations(range(batch.shape[0]))))
    torch.testing.assert_close(method(rows(batch, order)), method(batch)[order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", ALL_METHODS)
@given(batch=token_batches(), factor=st.sampled_from([-7, 2, 1000]))
def test_group_labels_change_nothing(method: Method, batch: TokenBatch, factor: int) -> None:
    relabeled = replace(batch, group_ids=batch.group_ids * factor + 11)
    assert torch.equal(method(relabeled), method(batch))


@pytest.mark.parametrize("method", ALL_METHODS)
@given(batch=token_batches())
def test_zero_off_the_mask_and_finite_on_it(method: Method, batch: TokenBatch) -> None:
    advantages = method(batch)
    assert (advantages[~batch.response_mask] == 0).all()
    assert advantages.isfinite().all()


@pytest.mark.parametrize("method", ALL_METHODS)
@given(batch=token_batches(), value=st.floats(0, 1, width=32))
def test_equal_rewards_give_no_outcome_credit(method: Method, batch: TokenBatch, value: float) -> None:
    same = replace(batch, outcome_rewards=torch.full_like(batch.outcome_rewards, value).float())
    outcome = method.terms(same)["outcome"]
    torch.testing.assert_close(outcome, torch.zeros_like(outcome), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ALL_METHODS)
@given(batch=token_batches())
def test_terms_add_up_to_the_advantage(method: Method, batch: TokenBatch) -> None:
    torch.testing.assert_close(sum(method.terms(batch).values()), method(batch), rtol=0, atol=1e-12)


def test_no_gradient_flows_through_credit() -> None:
    old = torch.zeros(2, 3, requires_grad=True)
    batch = TokenBatch(
        response_mask=torch.ones(2, 3, dtype=torch.bool),
        group_ids=torch.tensor([0, 0]),
        outcome_rewards=torch.tensor([1.0, 0.0]),
        old_log_probs=old,
        ref_log_probs=torch.randn(2, 3),
    )
    assert not SPRO()(batch).requires_grad
