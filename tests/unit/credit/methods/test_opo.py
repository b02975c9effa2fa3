import torch

from spro.credit import TokenBatch
from spro.credit.methods.dr_grpo import DrGRPO
from spro.credit.methods.opo import OPO
from spro.credit.reduce import group_sum
from tests.unit.credit.examples import example, floats, for_random_batches, of_one_token
from tests.unit.credit.loops import assert_matches, members, plain, spread, written


def loop(batch: TokenBatch) -> list[list[float]]:
    p = plain(batch)
    lengths = [len(written(here)) for here in p.response_mask]
    outcomes = []
    for i, reward in enumerate(p.outcome_rewards):
        group = members(p.group_ids, i)
        tokens = sum(lengths[k] for k in group)
        baseline = sum(lengths[k] * p.outcome_rewards[k] for k in group) / tokens if tokens else 0.0
        outcomes.append(reward - baseline)
    return spread(outcomes, p.response_mask)


@for_random_batches()
def test_against_the_loop(batch: TokenBatch) -> None:
    assert_matches(OPO()(batch), loop(batch))


def test_by_hand() -> None:
    # Group 0: lengths 3 and 2, rewards 1 and 0: the baseline is 3/5. Group 1: lengths 1 and 2, rewards 3 and 0: 3/3.
    batch = example(outcome_rewards=floats(1.0, 3.0, 0.0, 0.0))
    expected = floats([0.4, 0.4, 0.4], [2, 0, 0], [-0.6, -0.6, 0], [-1, -1, 0])
    torch.testing.assert_close(OPO()(batch), expected)


@for_random_batches()
def test_with_equal_lengths_is_dr_grpo(batch: TokenBatch) -> None:
    torch.testing.assert_close(OPO()(of_one_token(batch)), DrGRPO()(of_one_token(batch)))


@for_random_batches()
def test_sums_to_zero_over_the_tokens_of_the_group(batch: TokenBatch) -> None:
    sums = group_sum(OPO()(batch).sum(dim=1), batch.group_ids)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


def test_equal_rewards_that_have_no_exact_mean_give_zero_exactly() -> None:
    mask = torch.arange(7) <= torch.arange(7)[:, None]
    batch = TokenBatch(mask, torch.zeros(7, dtype=torch.long), torch.full((7,), 0.1))
    assert torch.equal(OPO()(batch), torch.zeros(7, 7))
