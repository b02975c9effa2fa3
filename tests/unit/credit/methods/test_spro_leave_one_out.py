import torch

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.methods.spro_leave_one_out import SPROLeaveOneOut
from spro.credit.reduce import group_sum
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
    others,
    outcome_term,
    plain,
    prefix_sums,
    process_rewards,
    written,
)


def loop(batch: TokenBatch, beta: float, std_eps: float) -> Rows:
    p = plain(batch)
    cpr = prefix_sums(process_rewards(p, beta), p.response_mask)
    msa = [[0.0] * len(row) for row in cpr]
    for i, here in enumerate(p.response_mask):
        for t in written(here):
            rest = [cpr[k][t] for k in others(p.group_ids, i) if p.response_mask[k][t]]
            msa[i][t] = cpr[i][t] - mean(rest) if rest else 0.0
    return added(outcome_term(p, std_eps), msa)


@for_random_batches(betas, small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPROLeaveOneOut(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


def test_process_term_by_hand() -> None:
    # CPR of group 0: [1, 1, 3] and [1, 3]; of group 1: [0] and [2, 2]; each minus the other's.
    expected = 0.5 * floats([0, -2, 0], [-2, 0, 0], [0, 2, 0], [2, 0, 0])
    torch.testing.assert_close(SPROLeaveOneOut(beta=0.5).terms(example())["msa"], expected)


@for_random_batches(betas)
def test_is_msa_times_n_over_n_minus_one(batch: TokenBatch, beta: float) -> None:
    living = group_sum(batch.response_mask.double(), batch.group_ids)
    factor = torch.where(living > 1, living / (living - 1), 0.0)
    msa = SPROLeaveOneOut(beta=beta).terms(batch)["msa"]
    torch.testing.assert_close(msa, SPRO(beta=beta).terms(batch)["msa"] * factor)


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROLeaveOneOut(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROLeaveOneOut, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
