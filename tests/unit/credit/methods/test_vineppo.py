from dataclasses import replace

import torch

from spro.credit import TokenBatch
from spro.credit.methods.vineppo import VinePPO
from tests.unit.credit.examples import bools, floats, for_random_batches, moved_left, pair
from tests.unit.credit.loops import assert_matches, plain, step_tokens, steps_of


def loop(batch: TokenBatch) -> list[list[float]]:
    p = plain(batch)
    result = [[0.0] * len(here) for here in p.response_mask]
    for i, here in enumerate(p.response_mask):
        values = [*steps_of(p.step_values[i], p.step_mask[i]), p.outcome_rewards[i]]
        for k, tokens in step_tokens(p.step_ids[i], here).items():
            for t in tokens:
                result[i][t] = values[k + 1] - values[k]
    return result


@for_random_batches()
def test_against_the_loop(batch: TokenBatch) -> None:
    assert_matches(VinePPO()(batch), loop(batch))


def test_by_hand() -> None:
    # Right: from 1/4 to 3/4 by the first step, to 1 by the second. Wrong: one step lost the 1/2 that there was.
    batch = pair(
        step_ids=torch.tensor([[0, 1], [0, -1]]),
        step_values=floats([0.25, 0.75], [0.5, 9]),
        step_mask=bools([1, 1], [1, 0]),
    )
    torch.testing.assert_close(VinePPO()(batch), floats([0.5, 0.25], [-0.5, 0]))


def test_a_token_of_no_step_gets_zero() -> None:
    batch = pair(step_ids=torch.tensor([[0, -1], [-1, -1]]), step_values=floats([0.25], [9]), step_mask=bools([1], [0]))
    torch.testing.assert_close(VinePPO()(batch), floats([0.75, 0], [0, 0]))


@for_random_batches()
def test_steps_add_up_to_the_outcome_minus_the_value_of_the_prompt(batch: TokenBatch) -> None:
    p, advantages = plain(batch), VinePPO()(batch).tolist()
    for i, here in enumerate(p.response_mask):
        steps = step_tokens(p.step_ids[i], here)
        total = sum(advantages[i][tokens[0]] for tokens in steps.values())
        assert not steps or abs(total - (p.outcome_rewards[i] - p.step_values[i][0])) < 1e-12


@for_random_batches()
def test_needs_no_group_and_no_position(batch: TokenBatch) -> None:
    one_group = replace(batch, group_ids=torch.zeros_like(batch.group_ids))
    assert torch.equal(VinePPO()(one_group), VinePPO()(batch))
    without_holes, came_from = moved_left(batch)
    assert torch.equal(VinePPO()(without_holes), VinePPO()(batch).gather(1, came_from))
