from dataclasses import replace

import torch

from spro.credit import GRPO, PRIME, TokenBatch
from spro.credit.methods.spro_all_tokens import SPROAllTokens
from tests.unit.credit.examples import (
    NEGATIVE,
    NOT_ABOVE_ZERO,
    assert_refused,
    betas,
    example,
    floats,
    for_random_batches,
    of_one_token,
    small,
    unmoved,
)
from tests.unit.credit.loops import (
    Rows,
    added,
    assert_matches,
    mean,
    mean_or_zero,
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
        for t in written(here) if others(p.group_ids, i) else []:
            means = [mean_or_zero([cpr[k][s] for s in written(p.response_mask[k])]) for k in others(p.group_ids, i)]
            msa[i][t] = cpr[i][t] - mean(means)
    return added(outcome_term(p, std_eps), msa)


@for_random_batches(betas, small)
def test_against_the_loop(batch: TokenBatch, beta: float, std_eps: float) -> None:
    assert_matches(SPROAllTokens(beta=beta, std_eps=std_eps)(batch), loop(batch, beta, std_eps))


def test_process_term_by_hand() -> None:
    # CPR of group 0: [1, 1, 3] and [1, 3], of means 5/3 and 2; of group 1: [0] and [2, 2], of means 0 and 2.
    expected = 0.5 * floats([-1, -1, 1], [-2, 0, 0], [-2 / 3, 4 / 3, 0], [2, 2, 0])
    torch.testing.assert_close(SPROAllTokens(beta=0.5).terms(example())["msa"], expected)


@for_random_batches(betas)
def test_with_one_token_a_response_the_process_term_is_that_of_prime(batch: TokenBatch, beta: float) -> None:
    log_probs, ref_log_probs = batch.greedy_rewards[:, None], batch.outcome_rewards[:, None]
    one = replace(of_one_token(batch), old_log_probs=log_probs, prm_log_probs=log_probs, ref_log_probs=ref_log_probs)
    expected = PRIME(beta=beta).terms(one)["process"]
    torch.testing.assert_close(SPROAllTokens(beta=beta).terms(one)["msa"], expected)


@for_random_batches(betas)
def test_policy_equal_to_reference_is_grpo_exactly(batch: TokenBatch, beta: float) -> None:
    assert torch.equal(SPROAllTokens(beta=beta)(unmoved(batch)), GRPO()(batch))


def test_impossible_hyper_parameters() -> None:
    assert_refused(SPROAllTokens, beta=NEGATIVE, std_eps=NOT_ABOVE_ZERO)
