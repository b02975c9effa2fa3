"""The mean of the columns of a table, of one model and of two."""

import math
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import (
    Estimate,
    average_score,
    column_average,
    column_difference,
    crossed_average,
    crossed_difference,
)
from spro.statistics.columns import balanced

COLUMNS = ["a"] * 5 + ["b"] * 3 + ["c"] * 12


def tables(seed: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.random((seeds, len(COLUMNS))), generator.random((seeds, len(COLUMNS)))


def mean_of_columns(table: np.ndarray) -> float:
    rows = [[row[i] for i, column in enumerate(COLUMNS) if column == name] for row in table for name in "abc"]
    return fmean(map(fmean, rows))


@given(st.integers(0, 1000), st.integers(1, 4))
def test_the_value_is_the_mean_of_the_columns_and_turns_round(seed: int, seeds: int) -> None:
    a, b = tables(seed, seeds)
    found, back = column_difference(a, b, COLUMNS), column_difference(b, a, COLUMNS)
    assert found.value == pytest.approx(mean_of_columns(a) - mean_of_columns(b))
    assert found.n == len(COLUMNS)
    assert found.low <= found.value <= found.high
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
    assert (found.low, found.high) == pytest.approx((-back.high, -back.low))
    assert found.p_value == pytest.approx(back.p_value)
    average = crossed_average(a, COLUMNS)
    assert average.value == pytest.approx(mean_of_columns(a))
    assert 0 <= average.low <= average.value <= average.high <= 1


def test_of_one_column_it_is_the_difference_over_all_problems() -> None:
    a, b = tables(0, 3)
    assert column_difference(a, b, ["x"] * len(COLUMNS)) == crossed_difference(a, b)
    assert crossed_average(a) == crossed_average(a, ["x"] * len(COLUMNS))


def test_the_error_is_that_of_independent_columns() -> None:
    # What columns differ by among themselves is no error: without that the error would be seven times as large.
    differences, _ = tables(1, 1)
    levels = np.array([{"a": 0.0, "b": 5.0, "c": -3.0}[column] for column in COLUMNS])
    weighed = balanced(differences + levels, COLUMNS)[0]
    by_column = [[differences[0, i] for i, column in enumerate(COLUMNS) if column == name] for name in "abc"]
    expected = sum(np.var(column) / len(column) for column in by_column) / 9
    assert np.var(weighed) / len(COLUMNS) == pytest.approx(expected)


def test_of_one_seed_it_is_the_average_of_an_evaluation() -> None:
    a, _ = tables(2, 1)
    columns = [average_score([[a[0, i]] for i, column in enumerate(COLUMNS) if column == name]) for name in "abc"]
    assert crossed_average(a, COLUMNS) == column_average(columns)
    assert crossed_average(a) == average_score([[score] for score in a[0]])


def test_columns_of_one_model_by_hand() -> None:
    one, other = Estimate(0.5, 0.1, 0.3, 0.6, 10), Estimate(0.9, 0.2, 0.5, 1.0, 30)
    found = column_average([one, other])
    assert (found.value, found.se, found.n) == (pytest.approx(0.7), pytest.approx(math.hypot(0.1, 0.2) / 2), 40)
    assert found.low == pytest.approx(0.7 - math.hypot(0.2, 0.4) / 2)
    assert found.high == pytest.approx(0.7 + math.hypot(0.1, 0.1) / 2)


ends = st.tuples(*[st.floats(0, 1)] * 3).map(sorted)


@given(st.lists(ends, min_size=1, max_size=8))
def test_the_interval_of_a_mean_is_inside_the_mean_of_the_intervals(columns: list[list[float]]) -> None:
    low, high = (fmean(column[place] for column in columns) for place in (0, 2))
    found = column_average([Estimate(value, 0.1, below, above, 10) for below, value, above in columns])
    assert low - 1e-9 <= found.low <= found.value <= found.high <= high + 1e-9


def test_what_does_not_fit_is_refused() -> None:
    a, b = tables(0, 2)
    for refused in (lambda: column_difference(a, b, ["a"]), lambda: crossed_average(a[:1], ["a"])):
        with pytest.raises(StatisticsError, match="there are 20 problems and the columns of 1; each has one"):
            refused()
    with pytest.raises(StatisticsError, match="there is no column"):
        column_average([])
    with pytest.raises(StatisticsError, match=r"b: seed 0, problem 0 has the score 2\.0"):
        column_difference(a, b + 2 - b, COLUMNS)
