"""The accuracy window: what it holds, and whom it chooses."""

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import ConfigError, RewardError
from spro.window import AccuracyWindow, prompts_drawn


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


@given(st.floats(0, 1), st.floats(0, 1))
def test_every_window_holds_its_borders_also_in_float32(one: float, other: float) -> None:
    window = AccuracyWindow(min(one, other), max(one, other))
    for border in (one, other, float(numpy.float32(one)), float(numpy.float32(other))):
        assert window.holds(border)


def test_a_prompt_without_scores_is_outside() -> None:
    assert AccuracyWindow(0, 1).choose([math.nan, 0.5], 2) == [1, 0]


@pytest.mark.parametrize("accuracy", [-0.1, 1.5, math.inf])
def test_what_is_no_mean_score_is_refused(accuracy: float) -> None:
    with pytest.raises(RewardError, match=r"reads scores in \[0, 1\]"):
        AccuracyWindow().choose([0.5, accuracy], 1)


@pytest.mark.parametrize(("factor", "keep", "drawn"), [(2.0, 4, 8), (1.0, 3, 3), (1.1, 100, 110), (2.2, 100, 220)])
def test_the_prompts_of_a_step_are_counted(factor: float, keep: int, drawn: int) -> None:
    assert prompts_drawn(factor, keep) == drawn


@pytest.mark.parametrize(("factor", "keep"), [(0.5, 4), (1.3, 4), (math.nan, 4)])
def test_no_whole_number_of_prompts_is_refused(factor: float, keep: int) -> None:
    with pytest.raises(ConfigError, match=f"oversample_factor is {factor:g}: of {keep} prompts a step"):
        prompts_drawn(factor, keep)


@pytest.mark.parametrize(("low", "high"), [(0.8, 0.2), (-0.1, 0.5), (0.5, 1.5), (float("nan"), 0.5)])
def test_what_is_no_window_is_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="give 0 <= low <= high <= 1"):
        AccuracyWindow(low, high)
