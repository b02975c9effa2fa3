import math

import torch
from hypothesis import strategies as st

from spro.credit import GRPO, TokenBatch
from spro.credit.methods.spro_gated import SPROGated
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
from tests.unit.credit.loops import Rows, assert_matches, msa_term, outcome_term, plain, written

temperatures = st.floats(0.05, 10)


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def loop(batch: TokenBatch, beta: float, std_eps: float, temperature: float) -> Rows:
    p = plain(batch)
    outcome, msa = outcome_term(p, std_eps), msa_term(p, beta)
    result = [[0.0] * len(row) for row in msa]
    for i, here in enumerate(p.response_mask):
        tokens = written(here)
        lean = {t: math.tanh(sign(outcome[i][t]) * msa[i][t] / temperature) for t in tokens}
        for t in tokens:
            result[i][t] = outcome[i][t] * (1 + (lean[t] - math.fsum(lean.values()) / len(tokens)) / 2)
    return result


@for_random_batches(betas, small, temperatures)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float, temperature: float) -> None:
    method = SPROGated(beta=beta, std_eps=std_eps, temperature=temperature)
    assert_matches(method(batch), loop(batch, beta, std_eps, temperature))


def test_by_hand() -> None:
    # MSA [0, -1, 0] of the right answer and [0, 1] of the wrong one; tanh(log 2) is 3/5. So they lean by [0, -3/5, 0],
    # -1/5 in the mean, and by [0, -3/5], -3/10 in the mean. Group 1 has no outcome, so it has no credit.
    a = 0.5 / (math.sqrt(0.5) + 1e-6)
    expected = a * floats([1.1, 0.8, 1.1], [0, 0, 0], [-1.15, -0.85, 0], [0, 0, 0])
    torch.testing.assert_close(SPROGated(beta=1.0, temperature=1 / math.log(2))(example()), expected)


@for_random_batches(betas, temperatures)
def test_no_token_counts_more_than_twice(batch: TokenBatch, beta: float, temperature: float) -> None:
    assert (SPROGated(beta=beta, temperature=temperature)(batch).abs() <= 2 * GRPO()(batch).abs()).all()


@for_random_batches(betas, temperatures)
def test_never_flips_the_sign_of_the_outcome(batch: TokenBatch, beta: float, temperature: float) -> None:
    advantages = SPROGated(beta=beta, temperature=temperature)(batch)
    assert torch.equal(advantages.sign(), GRPO()(batch).sign())


@for_random_batches(betas, temperatures)
def test_keeps_the_total_credit_of_a_response(batch: TokenBatch, beta: float, temperature: float) -> None:
    totals = SPROGated(beta=beta, temperature=temperature)(batch).sum(dim=1)
    torch.testing.assert_close(totals, GRPO()(batch).sum(dim=1))


@for_random_batches(betas)
def test_without_bound_on_the_temperature_is_grpo(batch: TokenBatch, beta: float) -> None:
    torch.testing.assert_close(SPROGated(beta=beta, temperature=1e9)(batch), GRPO()(batch), rtol=0, atol=1e-6)


@for_random_batches(betas, temperatures)
def test_policy_equal_to_reference_is_grpo(batch: TokenBatch, beta: float, temperature: float) -> None:
    torch.testing.assert_close(SPROGated(beta=beta, temperature=temperature)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROGated, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO, temperature=NOT_ABOVE_ZERO)
