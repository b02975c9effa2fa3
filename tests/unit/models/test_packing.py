"""Packs hold every row once, keep units whole and stay within the budget."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spro.models import pack


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], list[int], int]:
    sizes = draw(st.lists(st.integers(1, 4), max_size=12))
    rows = draw(st.permutations(range(sum(sizes))))
    cuts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    units = [tuple(rows[start:stop]) for start, stop in pairwise(cuts)]
    lengths = draw(st.lists(st.integers(1, 50), min_size=len(rows), max_size=len(rows)))
    return units, lengths, draw(st.integers(1, 400))


def area(rows: tuple[int, ...], lengths: list[int]) -> int:
    return len(rows) * max(lengths[row] for row in rows)


@given(problems())
def test_every_row_is_in_one_pack_with_its_unit(problem: tuple[list[tuple[int, ...]], list[int], int]) -> None:
    units, lengths, budget = problem
    packs = pack(units, lengths, budget)
    assert sorted(row for rows in packs for row in rows) == list(range(len(lengths)))
    for unit in units:
        home = next(rows for rows in packs if unit[0] in rows)
        start = home.index(unit[0])
        assert home[start : start + len(unit)] == unit


@given(problems())
def test_only_a_unit_that_stands_alone_exceeds_the_budget(
    problem: tuple[list[tuple[int, ...]], list[int], int],
) -> None:
    units, lengths, budget = problem
    for rows in pack(units, lengths, budget):
        assert area(rows, lengths) <= budget or rows in units


@given(problems())
def test_neighbours_would_not_fit_into_one_pack_and_the_longest_comes_first(
    problem: tuple[list[tuple[int, ...]], list[int], int],
) -> None:
    units, lengths, budget = problem
    packs = pack(units, lengths, budget)
    longest = [max(lengths[row] for row in rows) for rows in packs]
    assert longest == sorted(longest, reverse=True)
    for rows, after in pairwise(packs):
        first_unit = next(unit for unit in units if after[: len(unit)] == unit)
        assert area(rows + first_unit, lengths) > budget


def test_rows_of_one_length_keep_their_order() -> None:
    assert pack([(0,), (1,), (2,), (3,)], [5, 7, 5, 7], 14) == [(1, 3), (0, 2)]


def test_a_group_is_not_cut() -> None:
    assert pack([(0, 1, 2), (3, 4)], [9, 2, 2, 3, 3], 10) == [(0, 1, 2), (3, 4)]


def test_no_rows() -> None:
    assert pack([], [], 10) == []
