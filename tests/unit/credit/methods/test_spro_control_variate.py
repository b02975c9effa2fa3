import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from spro.credit import GRPO, TokenBatch
from spro.credit.baselines import regress_on_other_groups
from spro.credit.flows import previous_value
from spro.credit.methods.spro_control_variate import SPROControlVariate
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


def loop(batch: TokenBatch, beta: float, std_eps: float) -> Rows:
    p = plain(batch)
    outcome, msa = outcome_term(p, std_eps), msa_term(p, beta)
    prefix = [[0.0] * len(row) for row in msa]
    for i, here in enumerate(p.response_mask):
        for before, t in zip(written(here), written(here)[1:], strict=False):
            prefix[i][t] = msa[i][before]
    result = [[0.0] * len(row) for row in msa]
    for i, here in enumerate(p.response_mask):
        elsewhere = [k for k, group in enumerate(p.group_ids) if group != p.group_ids[i]]
        products = math.fsum(outcome[k][t] * prefix[k][t] for k in elsewhere for t in written(p.response_mask[k]))
        squares = math.fsum(prefix[k][t] ** 2 for k in elsewhere for t in written(p.response_mask[k]))
        for t in written(here):
            result[i][t] = outcome[i][t] - (products / squares * prefix[i][t] if squares else 0.0)
    return result


@for_random_batches(st.floats(0.01, 2.0), small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPROControlVariate(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


def test_by_hand() -> None:
    # MSA is [0, -1, 0], [0, 1] and [-1], [1, 0]; one token later [0, 0, -1], [0, 0] and [0], [0, 1]. On group 0, whose
    # outcome is a and -a, lambda is -a; it serves group 1. On group 1, without outcome, it is 0.
    a = 0.5 / (math.sqrt(0.5) + 1e-6)
    expected = floats([a, a, a], [0, 0, 0], [-a, -a, 0], [0, a, 0])
    torch.testing.assert_close(SPROControlVariate(beta=1.0)(example()), expected)


def slopes(batch: TokenBatch) -> torch.Tensor:
    """lambda of each response's group."""
    method = SPROControlVariate(beta=1.0)
    prefix = previous_value(method.msa(batch), batch.response_mask)
    return regress_on_other_groups(method.outcome(batch), prefix, batch.group_ids)


@for_random_batches()
def test_lambda_does_not_change_with_the_own_group(batch: TokenBatch) -> None:
    own = batch.group_ids == batch.group_ids[0]
    changed = replace(
        batch,
        outcome_rewards=torch.where(own, 1 - batch.outcome_rewards**2, batch.outcome_rewards),
        old_log_probs=torch.where(own[:, None], 2 * batch.old_log_probs**2, batch.old_log_probs),
    )
    torch.testing.assert_close(slopes(changed)[own], slopes(batch)[own])


@for_random_batches()
def test_lambda_is_the_least_squares_of_numpy(batch: TokenBatch) -> None:
    method = SPROControlVariate(beta=1.0)
    outcome, prefix = method.outcome(batch), previous_value(method.msa(batch), batch.response_mask)
    for i, slope in enumerate(slopes(batch).tolist()):
        elsewhere = (batch.group_ids != batch.group_ids[i])[:, None] & batch.response_mask
        if elsewhere.any():
            solution, *_ = np.linalg.lstsq(prefix[elsewhere][:, None].numpy(), outcome[elsewhere].numpy(), rcond=None)
            assert slope == pytest.approx(solution[0], rel=1e-6, abs=1e-6)


@for_random_batches()
def test_a_single_group_is_grpo(batch: TokenBatch) -> None:
    one_group = replace(batch, group_ids=torch.zeros_like(batch.group_ids))
    torch.testing.assert_close(SPROControlVariate(beta=1.0)(one_group), GRPO()(one_group))


def test_a_single_group_of_real_size_is_grpo() -> None:
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        batch = TokenBatch(
            response_mask=torch.ones(16, 64, dtype=torch.bool),
            group_ids=torch.zeros(16, dtype=torch.long),
            outcome_rewards=(torch.rand(16, generator=generator) < 0.5).float(),
            old_log_probs=-torch.rand(16, 64, generator=generator),
            ref_log_probs=-torch.rand(16, 64, generator=generator),
        )
        torch.testing.assert_close(SPROControlVariate()(batch), GRPO()(batch))


def test_lambda_does_not_change_with_the_drift_of_the_own_group_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    prefix, outcome = torch.randn(2, 8, 64, generator=generator)
    group_ids = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    drifted = torch.where(group_ids[:, None] == 0, 3000 * prefix, prefix)
    expected = regress_on_other_groups(outcome, prefix, group_ids)[0]
    torch.testing.assert_close(regress_on_other_groups(outcome, drifted, group_ids)[0], expected, rtol=1e-3, atol=1e-3)


@for_random_batches(st.floats(0.1, 10))
def test_beta_cancels(batch: TokenBatch, beta: float) -> None:
    torch.testing.assert_close(SPROControlVariate(beta=beta)(batch), SPROControlVariate(beta=1.0)(batch))


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROControlVariate(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROControlVariate, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
