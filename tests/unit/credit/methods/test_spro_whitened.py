import math

import pytest
import torch

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.baselines import whitened as whiten
from spro.credit.methods.spro_whitened import SPROStepWhitened, SPROWhitened
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
    Rows,
    added,
    assert_matches,
    mean,
    members,
    msa_term,
    outcome_term,
    plain,
    prefix_sums,
    process_rewards,
    unbiased_std,
    whitened,
    written,
)


def loop(batch: TokenBatch, beta: float, std_eps: float) -> Rows:
    p = plain(batch)
    return whitened(added(outcome_term(p, std_eps), msa_term(p, beta)), p.response_mask)


def loop_by_step(batch: TokenBatch, beta: float, std_eps: float, msa_eps: float) -> Rows:
    p = plain(batch)
    cpr = prefix_sums(process_rewards(p, beta), p.response_mask)
    msa = [[0.0] * len(row) for row in cpr]
    for i, here in enumerate(p.response_mask):
        for t in written(here):
            living = [cpr[k][t] for k in members(p.group_ids, i) if p.response_mask[k][t]]
            msa[i][t] = (cpr[i][t] - mean(living)) / (unbiased_std(living) + msa_eps)
    return added(outcome_term(p, std_eps), msa)


@for_random_batches(betas, small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPROWhitened(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


@for_random_batches(betas, small, small)
def test_by_step_against_the_loop(batch: TokenBatch, beta: float, std_eps: float, msa_eps: float) -> None:
    method = SPROStepWhitened(beta=beta, std_eps=std_eps, msa_eps=msa_eps)
    assert_matches(method(batch), loop_by_step(batch, beta, std_eps, msa_eps))


MSA_BY_HAND = floats([0, -1, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0])


def test_by_hand() -> None:
    # With equal rewards MSA is all there is; over eight tokens its mean is 0 and its variance 4/7.
    batch = example(outcome_rewards=torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(SPROWhitened(beta=1.0)(batch), MSA_BY_HAND * math.sqrt(7 / 4))


def test_by_step_by_hand() -> None:
    # Wherever two are alive and differ by 2, their deviation is sqrt(2).
    msa = SPROStepWhitened(beta=1.0, msa_eps=0.5).terms(example())["msa"]
    torch.testing.assert_close(msa, MSA_BY_HAND / (math.sqrt(2) + 0.5))


@for_random_batches()
def test_has_mean_zero_and_variance_one_but_for_the_epsilon(batch: TokenBatch) -> None:
    plain, values = (method(beta=1.0)(batch)[batch.response_mask] for method in (SPRO, SPROWhitened))
    if len(values) > 1:
        before = plain.var().item()
        assert values.mean().item() == pytest.approx(0, abs=1e-9)
        assert values.var().item() == pytest.approx(before / (before + 1e-8), abs=1e-6)


@for_random_batches()
def test_by_step_the_living_have_deviation_one_but_for_the_epsilon_or_zero(batch: TokenBatch) -> None:
    p, msa = plain(batch), SPROStepWhitened(beta=1.0, msa_eps=1e-9).terms(batch)["msa"].tolist()
    cpr = prefix_sums(process_rewards(p, 1.0), p.response_mask)
    for i, here in enumerate(p.response_mask):
        for t in written(here):
            living = [k for k in members(p.group_ids, i) if p.response_mask[k][t]]
            before = unbiased_std([cpr[k][t] for k in living])
            assert unbiased_std([msa[k][t] for k in living]) == pytest.approx(before / (before + 1e-9), abs=1e-6)


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_whitened_and_grpo(batch: TokenBatch, beta: float) -> None:
    expected = whiten(GRPO()(batch), batch.response_mask)
    assert torch.equal(SPROWhitened(beta=beta)(unmoved(batch)), expected)
    assert torch.equal(SPROStepWhitened(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROWhitened, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
    assert_refused(SPROStepWhitened, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO, msa_eps=NOT_ABOVE_ZERO)
