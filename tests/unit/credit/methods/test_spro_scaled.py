import math
from dataclasses import replace

import torch
from hypothesis import strategies as st

from spro.credit import GRPO, TokenBatch
from spro.credit.methods.spro_scaled import SPROScaled
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
from tests.unit.credit.loops import (
    Mask,
    Rows,
    added,
    assert_matches,
    mean,
    mean_or_zero,
    msa_term,
    outcome_term,
    plain,
    scaled,
    written,
)

parts = st.floats(0, 3)


def biased_std(rows: Rows, mask: Mask) -> float:
    values = [row[t] for row, here in zip(rows, mask, strict=True) for t in written(here)]
    return math.sqrt(mean_or_zero([(value - mean(values)) ** 2 for value in values]))


def loop(batch: TokenBatch, share: float, beta: float, std_eps: float, msa_eps: float) -> Rows:
    p = plain(batch)
    outcome, msa = outcome_term(p, std_eps), msa_term(p, beta)
    factor = share * biased_std(outcome, p.response_mask) / (biased_std(msa, p.response_mask) + msa_eps)
    return added(outcome, scaled(factor, msa))


@for_random_batches(parts, betas, small, small)
def test_against_the_loop(batch: TokenBatch, share: float, beta: float, std_eps: float, msa_eps: float) -> None:
    method = SPROScaled(share=share, beta=beta, std_eps=std_eps, msa_eps=msa_eps)
    assert_matches(method(batch), loop(batch, share, beta, std_eps, msa_eps))


def test_by_hand() -> None:
    # Eight tokens. Outcome: a thrice, -a twice, 0 thrice: variance 5/8 a^2 - (a/8)^2. MSA: 1 and -1 twice each, else 0:
    # variance 1/2.
    a = 0.5 / (math.sqrt(0.5) + 1e-6)
    factor = 0.1 * a * math.sqrt(39) / 8 / (math.sqrt(0.5) + 0.2)
    expected = factor * floats([0, -1, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0])
    torch.testing.assert_close(SPROScaled(beta=1.0, share=0.1, msa_eps=0.2).terms(example())["msa"], expected)


@for_random_batches(parts)
def test_the_spread_of_the_process_is_a_share_of_that_of_the_outcome(batch: TokenBatch, share: float) -> None:
    terms = SPROScaled(share=share, beta=1.0, msa_eps=1e-9).terms(batch)
    mask = batch.response_mask
    if mask.any():
        msa = SPROScaled(beta=1.0).msa(batch)
        outcome, process, before = (of[mask].std(correction=0) for of in (terms["outcome"], terms["msa"], msa))
        # But for the epsilon, which tells where two responses hardly differ.
        expected = share * outcome * before / (before + 1e-9)
        assert math.isclose(process, expected, rel_tol=1e-5, abs_tol=1e-12)


@for_random_batches(st.floats(0.5, 2))
def test_beta_only_matters_beside_the_epsilon(batch: TokenBatch, beta: float) -> None:
    one, other = SPROScaled(beta=1.0, msa_eps=1e-9), SPROScaled(beta=beta, msa_eps=beta * 1e-9)
    torch.testing.assert_close(other(batch), one(batch))


@for_random_batches(parts)
def test_a_batch_without_outcome_signal_gets_zero(batch: TokenBatch, share: float) -> None:
    equal = replace(batch, outcome_rewards=torch.full_like(batch.outcome_rewards, 0.1))
    assert not SPROScaled(share=share)(equal).any()


@for_random_batches(betas, parts)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float, share: float) -> None:
    assert torch.equal(SPROScaled(beta=beta, share=share)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROScaled, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO, share=NEGATIVE, msa_eps=NOT_ABOVE_ZERO)
