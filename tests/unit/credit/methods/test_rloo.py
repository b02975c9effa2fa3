import torch

from spro.credit import METHODS, RLOO, TokenBatch
from spro.credit.reduce import group_size, group_sum, is_alone
from tests.unit.credit.examples import example, floats, for_random_batches, of_one_token
from tests.unit.credit.loops import assert_matches, mean, others, plain, spread


def loop(batch: TokenBatch) -> list[list[float]]:
    p = plain(batch)
    outcomes = []
    for i, reward in enumerate(p.outcome_rewards):
        rest = [p.outcome_rewards[k] for k in others(p.group_ids, i)]
        outcomes.append(reward - mean(rest) if rest else 0.0)
    return spread(outcomes, p.response_mask)


@for_random_batches()
def test_against_the_loop(batch: TokenBatch) -> None:
    assert_matches(RLOO()(batch), loop(batch))


def test_by_hand() -> None:
    # Rewards 1, 0, 0 of one prompt: 1 - 0, 0 - 1/2, 0 - 1/2. Alone with its prompt: 0.
    batch = example(outcome_rewards=floats(1.0, 0.0, 4.0, 0.0), group_ids=torch.tensor([0, 0, 1, 0]))
    expected = floats([1, 1, 1], [-0.5, 0, 0], [0, 0, 0], [-0.5, -0.5, 0])
    torch.testing.assert_close(RLOO()(batch), expected)


@for_random_batches()
def test_sums_to_zero_over_the_group(batch: TokenBatch) -> None:
    sums = group_sum(RLOO()(of_one_token(batch)), batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@for_random_batches()
def test_is_grpo_without_deviation_times_n_over_n_minus_one(batch: TokenBatch) -> None:
    size = group_size(batch.outcome_rewards, batch.group_ids)
    factor = torch.where(is_alone(batch.group_ids), 0.0, size / (size - 1).clamp(min=1))
    torch.testing.assert_close(RLOO()(batch), METHODS["dr_grpo"]()(batch) * factor[:, None])
