from dataclasses import replace

import torch
from hypothesis import strategies as st

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.baselines import masked_step_advantage
from spro.credit.reduce import first_member, group_sum
from tests.unit.credit.examples import (
    NEGATIVE,
    NOT_ABOVE_ZERO,
    assert_refused,
    betas,
    example,
    floats,
    for_random_batches,
    small,
    unmoved,
)
from tests.unit.credit.loops import Rows, assert_matches, mean, members, outcome_term, plain


def loop(batch: TokenBatch, beta: float, std_eps: float) -> Rows:
    """Equations 11 to 13."""
    p = plain(batch)
    cpr: Rows = []
    for i, here in enumerate(p.response_mask):
        total, row = 0.0, []
        for t, is_written in enumerate(here):
            if is_written:
                total += beta * (p.old_log_probs[i][t] - p.ref_log_probs[i][t])
            row.append(total)
        cpr.append(row)
    advantages = outcome_term(p, std_eps)
    for i, here in enumerate(p.response_mask):
        for t, is_written in enumerate(here):
            if is_written:
                living = [cpr[k][t] for k in members(p.group_ids, i) if p.response_mask[k][t]]
                advantages[i][t] += cpr[i][t] - mean(living)
    return advantages


@for_random_batches(betas, small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPRO(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


def test_process_term_by_hand() -> None:
    # CPR of group 0: [1, 1, 3] and [1, 3]; of group 1: [0] and [2, 2]. Alone at a step: 0.
    expected = 0.5 * floats([0, -1, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0])
    terms = SPRO(beta=0.5).terms(example())
    torch.testing.assert_close(terms["msa"], expected)
    torch.testing.assert_close(terms["outcome"], GRPO()(example()))


def test_group_of_one_gets_zero() -> None:
    alone = example(group_ids=torch.tensor([0, 1, 2, 3]))
    assert torch.equal(SPRO()(alone), torch.zeros(4, 3, dtype=torch.float64))


@for_random_batches(small)
def test_beta_zero_is_grpo_exactly(batch: TokenBatch, std_eps: float) -> None:
    assert torch.equal(SPRO(beta=0.0, std_eps=std_eps)(batch), GRPO(std_eps=std_eps)(batch))


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPRO(beta=beta)(unmoved(batch)), GRPO()(batch))


@for_random_batches()
def test_msa_sums_to_zero_over_the_living(batch: TokenBatch) -> None:
    sums = group_sum(SPRO(beta=1.0).terms(batch)["msa"], batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@for_random_batches()
def test_alone_at_a_token_gets_no_process_credit(batch: TokenBatch) -> None:
    living = group_sum(batch.response_mask.double(), batch.group_ids)
    alone = batch.response_mask & (living == 1)
    assert (SPRO(beta=1.0).terms(batch)["msa"][alone] == 0).all()


@for_random_batches()
def test_identical_responses_get_no_process_credit(batch: TokenBatch) -> None:
    first = first_member(batch.group_ids)
    alike = replace(
        batch,
        response_mask=batch.response_mask[first],
        old_log_probs=batch.old_log_probs[first],
        ref_log_probs=batch.ref_log_probs[first],
    )
    msa = SPRO(beta=1.0).terms(alike)["msa"]
    torch.testing.assert_close(msa, torch.zeros_like(msa), rtol=0, atol=1e-12)


@for_random_batches(st.floats(-5, 5))
def test_a_constant_on_all_cpr_of_a_group_changes_nothing(batch: TokenBatch, constant: float) -> None:
    mask, group_ids = batch.response_mask, batch.group_ids
    cpr = SPRO(beta=1.0).cpr(batch)
    shifted = (cpr + constant * (1 + first_member(group_ids)[:, None])).masked_fill(~mask, 0.0)
    expected = masked_step_advantage(cpr, mask, group_ids)
    torch.testing.assert_close(masked_step_advantage(shifted, mask, group_ids), expected, rtol=0, atol=1e-12)


def test_no_gradient_flows_through_credit() -> None:
    batch = example()
    moving = replace(batch, old_log_probs=batch.old_log_probs.clone().requires_grad_())
    assert not SPRO()(moving).requires_grad


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPRO, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
