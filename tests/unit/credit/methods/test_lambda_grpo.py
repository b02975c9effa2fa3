import math
from dataclasses import replace

import torch

from spro.credit import GRPO, TokenBatch
from spro.credit.methods.lambda_grpo import LambdaGRPO
from spro.credit.prefixes import sharing_prefix
from tests.unit.credit.examples import (
    NOT_ABOVE_ZERO,
    assert_refused,
    example,
    floats,
    for_random_batches,
    small,
)
from tests.unit.credit.loops import assert_matches, members, plain, standardized, written


def prefix(p: object, i: int, t: int) -> list[tuple[int, int]]:
    """What was written up to and including t, and where."""
    return [(s, p.token_ids[i][s]) for s in written(p.response_mask[i]) if s <= t]


def loop(batch: TokenBatch, std_eps: float) -> list[list[float]]:
    p = plain(batch)
    outcomes = standardized(p.outcome_rewards, p.group_ids, std_eps)
    result = [[0.0] * len(here) for here in p.response_mask]
    for i, here in enumerate(p.response_mask):
        for t in written(here):
            alike = [k for k in members(p.group_ids, i) if p.response_mask[k][t] and prefix(p, k, t) == prefix(p, i, t)]
            result[i][t] = outcomes[i] / len(alike)
    return result


@for_random_batches(small)
def test_against_the_loop(batch: TokenBatch, std_eps: float) -> None:
    assert_matches(LambdaGRPO(std_eps=std_eps)(batch), loop(batch, std_eps))


def test_by_hand() -> None:
    # Rows 0 and 2, of one prompt, begin with the token 5 and part at the second. Row 1 begins like them and is of
    # another prompt, whose rewards are equal.
    batch = example(token_ids=torch.tensor([[5, 6, 7], [5, 0, 0], [5, 8, 0], [5, 6, 0]]))
    a = 0.5 / (math.sqrt(0.5) + 1e-4)
    torch.testing.assert_close(LambdaGRPO()(batch), floats([a / 2, a, a], [0, 0, 0], [-a / 2, -a, 0], [0, 0, 0]))


@for_random_batches(small)
def test_without_shared_prefixes_is_grpo_exactly(batch: TokenBatch, std_eps: float) -> None:
    own_token = torch.arange(batch.shape[0])[:, None].expand(batch.shape)
    apart = replace(batch, token_ids=own_token)
    assert torch.equal(LambdaGRPO(std_eps=std_eps)(apart), GRPO(std_eps=std_eps)(apart))


@for_random_batches(small)
def test_identical_responses_share_one_vote(batch: TokenBatch, std_eps: float) -> None:
    rows = batch.shape[0]
    alike = replace(
        batch,
        response_mask=batch.response_mask[:1].repeat(rows, 1),
        token_ids=batch.token_ids[:1].repeat(rows, 1),
        group_ids=torch.zeros_like(batch.group_ids),
    )
    torch.testing.assert_close(LambdaGRPO(std_eps=std_eps)(alike), GRPO(std_eps=std_eps)(alike) / rows)


@for_random_batches()
def test_every_node_of_the_tree_has_one_vote(batch: TokenBatch) -> None:
    p = plain(batch)
    votes = 1 / sharing_prefix(batch.token_ids, batch.response_mask, batch.group_ids)
    for t in range(batch.shape[1]):
        for group in set(p.group_ids):
            alive = [i for i, other in enumerate(p.group_ids) if other == group and p.response_mask[i][t]]
            nodes = {tuple(prefix(p, i, t)) for i in alive}
            assert math.isclose(sum(votes[i, t].item() for i in alive), len(nodes), abs_tol=1e-5)


def test_impossible_hyper_parameters() -> None:
    assert_refused(LambdaGRPO, std_eps=NOT_ABOVE_ZERO)
