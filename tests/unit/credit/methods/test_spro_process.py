from dataclasses import replace

import torch

from spro.credit import SPRO, TokenBatch
from spro.credit.methods.spro_process import SPROProcess
from spro.credit.reduce import group_sum
from tests.unit.credit.examples import (
    NEGATIVE,
    NOT_ABOVE_ZERO,
    assert_refused,
    betas,
    example,
    floats,
    for_random_batches,
    unmoved,
)
from tests.unit.credit.loops import against_living, assert_matches, plain, prefix_sums, process_rewards


@for_random_batches(betas)
def test_against_the_loop(batch: TokenBatch, beta: float) -> None:
    p = plain(batch)
    cpr = prefix_sums(process_rewards(p, beta), p.response_mask)
    assert_matches(SPROProcess(beta=beta)(batch), against_living(cpr, p.group_ids, p.response_mask))


def test_by_hand() -> None:
    # CPR of group 0: [1, 1, 3] and [1, 3]; of group 1: [0] and [2, 2]. Alone at a step: 0.
    expected = 0.5 * floats([0, -1, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0])
    torch.testing.assert_close(SPROProcess(beta=0.5)(example()), expected)


@for_random_batches()
def test_sums_to_zero_over_the_living(batch: TokenBatch) -> None:
    sums = group_sum(SPROProcess(beta=1.0)(batch), batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@for_random_batches(betas)
def test_is_the_process_term_of_spro_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROProcess(beta=beta)(batch), SPRO(beta=beta).terms(batch)["msa"])


@for_random_batches()
def test_no_reward_enters(batch: TokenBatch) -> None:
    other = replace(batch, outcome_rewards=1 - batch.outcome_rewards.square())
    assert torch.equal(SPROProcess(std_eps=1.0)(other), SPROProcess()(batch))


@for_random_batches(betas)
def test_policy_equal_to_reference_is_zero(batch: TokenBatch, beta: float) -> None:
    assert not SPROProcess(beta=beta)(unmoved(batch)).any()


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROProcess, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
