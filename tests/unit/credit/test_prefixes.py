"""Shared prefixes, against the comparison of the prefixes themselves."""

from collections import Counter

import torch

from spro.credit import TokenBatch
from spro.credit.prefixes import sharing_prefix
from tests.unit.credit.examples import bools, for_random_batches
from tests.unit.credit.loops import Rows, plain, written


def loop(batch: TokenBatch) -> Rows:
    """Count whole prefixes: their group, and what was written where."""
    p = plain(batch)
    result = [[1.0] * len(here) for here in p.response_mask]
    for t in range(batch.shape[1]):
        alive = [i for i, here in enumerate(p.response_mask) if here[t]]
        prefixes = {
            i: (p.group_ids[i], *((s, p.token_ids[i][s]) for s in written(p.response_mask[i]) if s <= t)) for i in alive
        }
        counts = Counter(prefixes.values())
        for i in alive:
            result[i][t] = counts[prefixes[i]]
    return result


def assert_counted(batch: TokenBatch) -> None:
    assert sharing_prefix(batch.token_ids, batch.response_mask, batch.group_ids).tolist() == loop(batch)


def test_by_hand() -> None:
    tokens = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 5, 3], [1, 2, 3]])
    mask = bools([1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1])
    together = sharing_prefix(tokens, mask, torch.tensor([9, 9, 9, 9]))
    assert together.tolist() == [[4, 3, 2], [4, 3, 1], [4, 1, 1], [4, 3, 2]]
    apart = sharing_prefix(tokens, mask, torch.tensor([9, 9, 9, 2]))
    assert apart.tolist() == [[3, 2, 1], [3, 2, 1], [3, 1, 1], [1, 1, 1]]


def test_order_counts() -> None:
    tokens, mask = torch.tensor([[1, 2], [2, 1]]), bools([1, 1], [1, 1])
    assert sharing_prefix(tokens, mask, torch.tensor([0, 0])).tolist() == [[1, 1], [1, 1]]


def test_a_tools_token_is_not_compared_but_its_place_is() -> None:
    tokens, group = torch.tensor([[1, 8, 2], [1, 9, 2]]), torch.tensor([0, 0])
    assert sharing_prefix(tokens, bools([1, 0, 1], [1, 0, 1]), group).tolist() == [[2, 1, 2], [2, 1, 2]]
    assert sharing_prefix(tokens, bools([1, 1, 1], [1, 0, 1]), group).tolist() == [[2, 1, 1], [2, 1, 1]]


@for_random_batches()
def test_against_the_loop(batch: TokenBatch) -> None:
    assert_counted(batch)


def test_no_two_of_many_random_prefixes_are_mistaken_for_one_another() -> None:
    # 3 * 25 batches of 32 responses of 8 tokens: 19200 prefixes, of small, large and negative ids.
    generator = torch.Generator().manual_seed(0)
    for low, high in [(0, 3), (150_000, 150_004), (-2, 2)]:
        for _ in range(25):
            assert_counted(
                TokenBatch(
                    response_mask=torch.rand(32, 8, generator=generator) < 0.8,
                    group_ids=torch.randint(-2, 3, (32,), generator=generator),
                    outcome_rewards=torch.zeros(32),
                    token_ids=torch.randint(low, high, (32, 8), generator=generator),
                )
            )
