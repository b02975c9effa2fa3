"""Every fact that the design lists under "SPRO, exactly"."""

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.baselines import masked_step_advantage
from spro.credit.reduce import first_member, group_sum
from tests.strategies import token_batches


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
    shifted = cpr + constant * first_member(batch.group_ids)[:, None]
    of_cpr, of_shifted = (
        masked_step_advantage(values * batch.response_mask, batch.response_mask, batch.group_ids)
        for values in (cpr, shifted)
    )
    torch.testing.assert_close(of_shifted, of_cpr, rtol=0, atol=1e-12)


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
