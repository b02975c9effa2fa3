import torch
from hypothesis import strategies as st

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.methods.spro_clipped import SPROClipped
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
from tests.unit.credit.loops import Rows, added, assert_matches, msa_term, outcome_term, plain

limits = st.floats(0, 2)


def loop(batch: TokenBatch, beta: float, std_eps: float, limit: float) -> Rows:
    p = plain(batch)
    clipped = [[min(max(value, -limit), limit) for value in row] for row in msa_term(p, beta)]
    return added(outcome_term(p, std_eps), clipped)


@for_random_batches(betas, small, limits)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float, limit: float) -> None:
    method = SPROClipped(beta=beta, std_eps=std_eps, msa_limit=limit)
    assert_matches(method(batch), loop(batch, beta, std_eps, limit))


def test_process_term_by_hand() -> None:
    # MSA is 1/2 on either side, and 3/10 with a beta of 3/10, which is within the wider band.
    expected = floats([0, -0.3, 0], [-0.3, 0, 0], [0, 0.3, 0], [0.3, 0, 0])
    torch.testing.assert_close(SPROClipped(beta=0.5, msa_limit=0.3).terms(example())["msa"], expected)
    torch.testing.assert_close(SPROClipped(beta=0.3, msa_limit=0.4).terms(example())["msa"], expected)


@for_random_batches(limits)
def test_stays_within_the_band(batch: TokenBatch, limit: float) -> None:
    moved = SPROClipped(beta=2.0, msa_limit=limit)(batch) - GRPO()(batch)
    assert (moved.abs() <= limit + 1e-12).all()


@for_random_batches(betas)
def test_a_large_limit_is_spro_and_a_limit_of_zero_is_grpo(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROClipped(beta=beta, msa_limit=1e3)(batch), SPRO(beta=beta)(batch))
    assert torch.equal(SPROClipped(beta=beta, msa_limit=0.0)(batch), GRPO()(batch))


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROClipped(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROClipped, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO, msa_limit=NEGATIVE)
