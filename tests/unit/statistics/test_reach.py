"""Time to a target, with runs that never get there."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import Ratio, Reach, ratio_of_times, time_to_reach

Curve = tuple[list[float], list[float]]
NEVER: Curve = ([0.0, 10.0], [0.0, 0.4])


def line(place: float) -> Curve:
    """Reaches 0.5 at this place."""
    return [0.0, 2 * place], [0.0, 1.0]


def test_between_two_measurements_a_curve_is_a_line() -> None:
    curve = ([0.0, 10.0, 20.0], [0.1, 0.3, 0.7])
    assert time_to_reach([curve], 0.4) == Reach(12.5, 12.5, 12.5, 1, 1)
    assert time_to_reach([curve], 0.3).value == 10.0
    assert time_to_reach([curve], 0.1).value == 0.0
    assert time_to_reach([curve], 0.71) == Reach(None, None, None, 0, 1)


def test_the_first_time_counts_though_the_curve_falls_again() -> None:
    assert time_to_reach([([1.0, 2.0, 3.0, 4.0], [0.0, 0.6, 0.1, 0.9])], 0.6).value == 2.0


def test_a_run_that_never_gets_there_is_late_and_not_missing() -> None:
    assert time_to_reach([line(4), line(8), NEVER], 0.5) == Reach(8.0, 4.0, None, 2, 3)
    assert time_to_reach([line(4), NEVER], 0.5) == Reach(None, 4.0, None, 1, 2)
    assert time_to_reach([line(4), NEVER, NEVER], 0.5) == Reach(None, 4.0, None, 1, 3)


@pytest.mark.parametrize("runs", [2, 3, 4, 5])
def test_of_a_few_seeds_the_interval_is_the_range(runs: int) -> None:
    found = time_to_reach([line(place) for place in range(1, runs + 1)], 0.5)
    assert (found.low, found.high) == (1.0, float(runs))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(0, 5))
def test_value_is_the_median_and_lies_in_its_interval(places: list[int], never: int) -> None:
    found = time_to_reach([line(place) for place in places] + [NEVER] * never, 0.5)
    expected = statistics.median([float(place) for place in places] + [math.inf] * never)
    assert found.value == (expected if math.isfinite(expected) else None)
    assert (found.reached, found.runs) == (len(places), len(places) + never)
    low, value, high = (math.inf if each is None else each for each in (found.low, found.value, found.high))
    assert low <= value <= high


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "there is no curve"),
        ([([], [])], "curve 0 has 0 places and 0 values"),
        ([NEVER, ([1.0], [0.1, 0.2])], "curve 1 has 1 places and 2 values"),
        ([([1.0, 1.0], [0.1, 0.2])], "curve 0: place 1.0 comes behind 1.0; places must rise"),
        ([([1.0], [math.nan])], r"curve 0: values\[0\] is nan"),
    ],
)
def test_what_is_no_curve_is_refused(curves: list[Curve], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        time_to_reach(curves, 0.5)


def test_a_ratio_is_that_of_the_medians() -> None:
    found = ratio_of_times([10.0, 12.0, 30.0, 14.0], [5.0, 7.0, 6.0, 4.0])
    assert found.value == 13 / 5.5
    # Resampled in pairs: a seed that is drawn again is so for both.
    assert (found.low, found.high) == (12 / 7, 30 / 6)
    assert ratio_of_times([10.0], [5.0]) == Ratio(2.0, None, None)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=2, max_size=9))
def test_a_ratio_lies_in_its_interval_whatever_the_order(pairs: list[tuple[int, int]]) -> None:
    theirs, own = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found = ratio_of_times(theirs, own)
    assert found.value == pytest.approx(statistics.median(theirs) / statistics.median(own))
    assert found.low is not None
    assert found.high is not None
    ratios = [a / b for a in theirs for b in own]
    assert min(ratios) - 1e-9 <= found.low <= found.high <= max(ratios) + 1e-9
    assert ratio_of_times([3 * time for time in theirs], own).value == pytest.approx(3 * found.value)


def test_runs_that_never_got_there_take_the_ends_away() -> None:
    assert ratio_of_times([10.0] * 3, [5.0, 5.0, math.inf]) == Ratio(2.0, 0.0, 2.0)
    assert ratio_of_times([10.0, 10.0, math.inf], [5.0] * 3) == Ratio(2.0, 2.0, None)
    assert ratio_of_times([10.0, 10.0, math.inf], [5.0, 5.0, math.inf]) == Ratio(2.0, 0.0, None)
    for theirs, own in (([math.inf], [5.0]), ([5.0], [math.inf]), ([math.inf], [math.inf])):
        assert ratio_of_times(theirs, own) == Ratio(None, None, None)


@pytest.mark.parametrize(
    ("theirs", "own", "message"),
    [
        ([], [], "theirs has 0 times and own 0"),
        ([1.0], [1.0, 2.0], "theirs has 1 times and own 2"),
        ([1.0, -1.0], [1.0, 2.0], r"theirs\[1\] is -1\.0"),
        ([1.0], [math.nan], r"own\[0\] is nan"),
    ],
)
def test_what_are_no_times_is_refused(theirs: list[float], own: list[float], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        ratio_of_times(theirs, own)
