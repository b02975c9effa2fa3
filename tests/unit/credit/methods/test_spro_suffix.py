import torch

from spro.credit import GRPO, SPRO, TokenBatch
from spro.credit.methods.spro_suffix import SPROSuffix
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
    against_living,
    assert_matches,
    outcome_term,
    plain,
    process_rewards,
    returns,
)


def loop(batch: TokenBatch, beta: float, std_eps: float) -> Rows:
    p = plain(batch)
    to_come = returns(process_rewards(p, beta), p.response_mask)
    return added(outcome_term(p, std_eps), against_living(to_come, p.group_ids, p.response_mask))


@for_random_batches(betas, small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPROSuffix(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


def test_process_term_by_hand() -> None:
    # To come in group 0: [3, 2, 2] and [3, 2]; in group 1: [0] and [2, 0]. Alone at a token: 0.
    expected = 0.5 * floats([0, 0, 0], [-1, 0, 0], [0, 0, 0], [1, 0, 0])
    torch.testing.assert_close(SPROSuffix(beta=0.5).terms(example())["msa"], expected)


@for_random_batches()
def test_sums_to_zero_over_the_living(batch: TokenBatch) -> None:
    sums = group_sum(SPROSuffix(beta=1.0).terms(batch)["msa"], batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@for_random_batches(betas)
def test_what_came_and_what_comes_count_the_token_itself_twice(batch: TokenBatch, beta: float) -> None:
    before, after = SPRO(beta=beta), SPROSuffix(beta=beta)
    own, total = before.process_reward(batch), before.process_reward(batch).sum(dim=1, keepdim=True)
    expected = (total + own).masked_fill(~batch.response_mask, 0.0)
    torch.testing.assert_close(before.cpr(batch) + after.cpr(batch), expected)


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROSuffix(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROSuffix, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
