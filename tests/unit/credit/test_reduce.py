"""Reductions over groups: numbers by hand."""

import torch

from spro.credit.reduce import (
    first_member,
    group_mean,
    group_size,
    group_std,
    group_sum,
    is_alone,
    masked_mean,
    others_mean,
    same_step_mean,
)
from tests.unit.credit.examples import bools, floats

GROUPS = torch.tensor([7, 3, 7, -1, 7])
VALUES = floats(1.0, 5.0, 2.0, 8.0, 6.0)


def test_groups_are_named_by_their_first_member() -> None:
    assert first_member(torch.tensor([7, 3, 7, -1, 3])).tolist() == [0, 1, 0, 3, 1]


def test_reductions_over_a_group_whose_members_are_apart() -> None:
    assert group_sum(VALUES, GROUPS).tolist() == [9, 5, 9, 8, 9]
    assert group_size(VALUES, GROUPS).tolist() == [3, 1, 3, 1, 3]
    assert group_mean(VALUES, GROUPS).tolist() == [3, 5, 3, 8, 3]
    torch.testing.assert_close(group_std(VALUES, GROUPS), floats(7.0, 0.0, 7.0, 0.0, 7.0).sqrt())
    assert is_alone(GROUPS).tolist() == [False, True, False, True, False]
    assert others_mean(VALUES, GROUPS).tolist() == [4, 5, 3.5, 8, 1.5]


def test_group_sum_keeps_the_other_axes() -> None:
    assert group_sum(floats([1, 2], [3, 4], [5, 6]), torch.tensor([0, 1, 0])).tolist() == [[6, 8], [3, 4], [6, 8]]


def test_equal_values_that_have_no_exact_mean_give_it_exactly() -> None:
    rewards, ids = torch.full((7,), 0.1), torch.zeros(7, dtype=torch.long)
    assert torch.equal(group_mean(rewards, ids), rewards)
    assert torch.equal(group_std(rewards, ids), torch.zeros(7))


def test_masked_mean() -> None:
    assert masked_mean(floats([1, 3], [5, 0], [0, 0]), bools([1, 1], [1, 0], [0, 0])).tolist() == [2, 5, 0]


def test_a_member_that_ended_moves_the_mean_only_where_it_lived() -> None:
    values, mask = floats([1, 5, 0], [3, 0, 0]), bools([1, 1, 0], [1, 0, 0])
    assert same_step_mean(values, mask, torch.tensor([0, 0])).tolist() == [[2, 5, 0], [2, 5, 0]]
