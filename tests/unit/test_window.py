"""The accuracy window: what it holds, and whom it chooses."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import ConfigError
from spro.window import AccuracyWindow


def test_the_borders_are_inside() -> None:
    assert [AccuracyWindow(0.2, 0.8).holds(accuracy) for accuracy in (0.19, 0.2, 0.5, 0.8, 0.81)] == [0, 1, 1, 1, 0]


def test_scores_that_a_host_rounded_are_on_the_border() -> None:
    mean = float(numpy.float32(0.8))
    assert mean > 0.8
    assert AccuracyWindow(0.2, 0.8).holds(mean)
    assert not AccuracyWindow(0.2, 0.8).holds(0.80001)


def test_those_inside_come_first_and_others_fill_up() -> None:
    assert AccuracyWindow().choose([0.0, 0.25, 1.0, 0.5, 0.0], 4) == [1, 3, 0, 2]
    assert AccuracyWindow().choose([0.0, 0.25, 1.0, 0.5, 0.0], 1) == [1]


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), max_size=12), st.integers(0, 12))
def test_each_is_chosen_once_and_none_outside_before_one_inside(accuracies: list[float], keep: int) -> None:
    window = AccuracyWindow()
    chosen = window.choose(accuracies, keep)
    assert len(set(chosen)) == len(chosen) == min(keep, len(accuracies))
    left = set(range(len(accuracies))) - set(chosen)
    some_outside = any(not window.holds(accuracies[place]) for place in chosen)
    assert not (some_outside and any(window.holds(accuracies[place]) for place in left))


@pytest.mark.parametrize(("low", "high"), [(0.8, 0.2), (-0.1, 0.5), (0.5, 1.5), (float("nan"), 0.5)])
def test_what_is_no_window_is_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="give 0 <= low <= high <= 1"):
        AccuracyWindow(low, high)
