"""What rewards are compared with: numbers by hand. The methods' own tests compare the rest with loops."""

import math

import torch

from spro.credit import TokenBatch
from spro.credit.baselines import (
    leave_one_out_tokens,
    length_weighted,
    masked_std,
    masked_step_advantage,
    others_step_advantage,
    pooled_standardized,
    regress_on_other_groups,
    same_step_std,
    whitened,
)
from tests.unit.credit.examples import bools, floats, for_random_batches
from tests.unit.credit.loops import assert_matches, plain
from tests.unit.credit.loops import whitened as whitened_loop

# One group of three, of which one member ends early.
MASK = bools([1, 1], [1, 1], [1, 0])
VALUES = floats([1, 5], [2, 9], [6, 0])
ONE_GROUP = torch.tensor([4, 4, 4])


def test_step_advantages() -> None:
    # Means over the living 3 and 7; of the others 4, 7/2, 3/2 and 9, 5.
    assert masked_step_advantage(VALUES, MASK, ONE_GROUP).tolist() == [[-2, -2], [-1, 2], [3, 0]]
    assert others_step_advantage(VALUES, MASK, ONE_GROUP).tolist() == [[-3, -4], [-1.5, 4], [4.5, 0]]


def test_same_step_std() -> None:
    # Squares 4 + 1 + 9 over 2, and 4 + 4 over 1.
    std = same_step_std(floats([-2, -2], [-1, 2], [3, 0]), MASK, ONE_GROUP)
    torch.testing.assert_close(std, floats([7, 8], [7, 8], [7, 8]).sqrt())


def test_same_step_std_of_one_alone_is_zero() -> None:
    assert same_step_std(floats([0]), bools([1]), torch.tensor([0])).tolist() == [[0]]


def test_leave_one_out_tokens() -> None:
    # Means over tokens 3, 11/2 and 6; of the others 23/4, 9/2 and 17/4.
    expected = [[-4.75, -0.75], [-2.5, 4.5], [1.75, 0]]
    assert leave_one_out_tokens(VALUES, MASK, ONE_GROUP).tolist() == expected
    assert not leave_one_out_tokens(VALUES, MASK, torch.tensor([0, 1, 2])).any()


def test_length_weighted() -> None:
    # (2 * 1 + 2 * 0 + 1 * 3) / 5 = 1.
    torch.testing.assert_close(length_weighted(floats(1.0, 0.0, 3.0), MASK, ONE_GROUP), floats(0.0, -1.0, 2.0))


def test_pooled_standardized() -> None:
    # 4, 0 and 2 of one group: mean 2, deviation 2; 7 of another one, alone.
    values = floats([4, 0], [2, math.nan], [7, math.nan])
    mask = bools([1, 1], [1, 0], [1, 0])
    expected = floats([0.5, -0.5], [0, 0], [0, 0])
    torch.testing.assert_close(pooled_standardized(values, mask, torch.tensor([0, 0, 1]), 2.0), expected)


def test_whitened_by_hand() -> None:
    # 1, 2 and 3: mean 2, variance 1.
    torch.testing.assert_close(whitened(floats([1, 2], [3, 0]), bools([1, 1], [1, 0])), floats([-1, 0], [1, 0]))


def test_whitened_of_one_token_and_of_none_is_zero() -> None:
    assert whitened(floats([3, 0]), bools([1, 0])).tolist() == [[0, 0]]
    assert whitened(floats([0, 0]), bools([0, 0])).tolist() == [[0, 0]]


@for_random_batches()
def test_whitened_against_its_loop(batch: TokenBatch) -> None:
    p, cleared = plain(batch), batch.values.masked_fill(~batch.response_mask, 0.0)
    assert_matches(whitened(cleared, batch.response_mask), whitened_loop(p.values, p.response_mask))


def test_masked_std() -> None:
    # 1, 3 and 5: variance 8/3, biased.
    assert math.isclose(masked_std(floats([1, 3], [5, 0]), bools([1, 1], [1, 0])).item(), math.sqrt(8 / 3))
    assert masked_std(floats([0]), bools([0])).item() == 0


def test_regress_on_other_groups() -> None:
    # Groups of x y = 2, 12, 0 and x^2 = 1, 4, 0: slopes 12/4, 2/1 and 14/5.
    slope = regress_on_other_groups(floats([2, 5], [6, 5], [3, 5]), floats([1, 0], [2, 0], [0, 0]), torch.arange(3))
    torch.testing.assert_close(slope, floats(3.0, 2.0, 2.8))
    assert regress_on_other_groups(floats([2, 5]), floats([1, 0]), torch.arange(1)).tolist() == [0]
