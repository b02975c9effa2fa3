from dataclasses import replace

import torch

from spro.credit import TokenBatch
from spro.credit.methods.remax import ReMax
from tests.unit.credit.examples import example, floats, for_random_batches
from tests.unit.credit.loops import assert_matches, plain, spread


def loop(batch: TokenBatch) -> list[list[float]]:
    p = plain(batch)
    outcomes = [reward - greedy for reward, greedy in zip(p.outcome_rewards, p.greedy_rewards, strict=True)]
    return spread(outcomes, p.response_mask)


@for_random_batches()
def test_against_the_loop(batch: TokenBatch) -> None:
    assert_matches(ReMax()(batch), loop(batch))


def test_by_hand() -> None:
    # The greedy response to the prompt of rows 0 and 2 is worth 1/4, that of rows 1 and 3 is right.
    batch = example(greedy_rewards=floats(0.25, 1.0, 0.25, 1.0))
    expected = floats([0.75, 0.75, 0.75], [0, 0, 0], [-0.25, -0.25, 0], [0, 0, 0])
    torch.testing.assert_close(ReMax()(batch), expected)


@for_random_batches()
def test_needs_no_group(batch: TokenBatch) -> None:
    one_group = replace(batch, group_ids=torch.zeros_like(batch.group_ids))
    assert torch.equal(ReMax()(one_group), ReMax()(batch))


@for_random_batches()
def test_as_good_as_the_greedy_response_gets_zero(batch: TokenBatch) -> None:
    assert not ReMax()(replace(batch, greedy_rewards=batch.outcome_rewards)).any()
