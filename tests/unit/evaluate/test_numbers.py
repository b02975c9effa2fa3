"""Numbers from samples, against results worked out by hand and slow loops."""

import math
from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.evaluate.numbers import GREEDY, average_columns, by_column, measure, powers
from spro.evaluate.samples import Answered
from spro.statistics import average_score
from tests.unit.evaluate.builders import make_problem


def test_which_k_are_shown() -> None:
    assert [powers(samples) for samples in (0, 1, 2, 4, 6)] == [[], [1], [1, 2], [1, 2, 4], [1, 2, 4, 6]]


def test_two_problems_worked_out_by_hand() -> None:
    numbers = measure([make_problem("a", [1.0, 0.0, 1.0, 0.0], greedy=1.0), make_problem("b", [0.0] * 4)], 4)
    assert numbers.metrics.keys() == {GREEDY, "avg@4", "pass@1", "pass@2", "pass@4"}
    values = {name: (estimate.value, estimate.n) for name, estimate in numbers.metrics.items()}
    assert values == {
        GREEDY: (0.5, 2),
        "avg@4": (0.25, 2),
        "pass@1": (0.25, 2),
        # Of the six pairs of a's samples one has no right one.
        "pass@2": (pytest.approx(5 / 12), 2),
        "pass@4": (0.5, 2),
    }
    assert numbers.metrics["avg@4"].se == pytest.approx(math.sqrt((0.25**2 + 0.25**2) / (2 * 1)))
    assert numbers.statuses == {"greedy": {"correct": 1, "wrong": 1}, "sampled": {"correct": 2, "wrong": 6}}
    assert (numbers.unscored, numbers.without_score, numbers.cut_share) == (0, (), 0.0)


def test_failed_is_not_wrong_it_is_left_out_and_counted() -> None:
    problems = [
        make_problem("whole", [1.0, 0.0], greedy=1.0),
        make_problem("half", [1.0, None], greedy=None),
        make_problem("lost", [None, None], greedy=None),
    ]
    numbers = measure(problems, 2)
    assert {name: (one.value, one.n) for name, one in numbers.metrics.items()} == {
        GREEDY: (1.0, 1),
        "avg@2": (0.75, 2),
        "pass@1": (0.75, 2),
        "pass@2": (1.0, 1),
    }
    assert numbers.unscored == 5
    assert numbers.without_score == ("lost",)
    assert numbers.problems == 3


def test_nothing_that_could_be_graded_gives_no_number() -> None:
    numbers = measure([make_problem("lost", [None], greedy=None)], 1)
    assert numbers.metrics == {}
    assert average_columns([numbers]) == {}


def test_an_answer_right_in_part_counts_its_score_in_the_average_and_is_no_pass() -> None:
    numbers = measure([make_problem("a", [0.5, 1.0], greedy=0.5)], 2)
    assert {name: one.value for name, one in numbers.metrics.items()} == {
        GREEDY: 0.0,
        "avg@2": 0.75,
        "pass@1": 0.5,
        "pass@2": 1.0,
    }


scores = st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4), min_size=1, max_size=12)


@given(scores)
def test_against_a_loop_over_all_choices_of_samples(scores: list[list[float]]) -> None:
    problems = [make_problem(str(i), row) for i, row in enumerate(scores)]
    numbers = measure(problems, 4)
    assert numbers.metrics["avg@4"] == average_score(scores)
    for k in (1, 2, 4):
        chances = [fmean(float(any(chosen)) for chosen in combinations(row, k)) for row in scores]
        assert numbers.metrics[f"pass@{k}"].value == pytest.approx(fmean(chances))


def _column(name: str, scores: list[float]) -> list[Answered]:
    return [make_problem(f"{name} {i}", [score], data_source=name) for i, score in enumerate(scores)]


def test_the_average_weighs_columns_and_not_problems() -> None:
    small, large = measure(_column("a", [1.0, 1.0]), 1), measure(_column("b", [0.0] * 6 + [1.0] * 2), 1)
    one, other = (numbers.metrics["avg@1"] for numbers in (small, large))
    average = average_columns([small, large])["avg@1"]
    assert average.value == pytest.approx((1.0 + 0.25) / 2)
    assert average.se == pytest.approx(math.sqrt(one.se**2 + other.se**2) / 2)
    assert average.low == pytest.approx(average.value - math.hypot(1.0 - one.low, 0.25 - other.low) / 2)
    assert average.high == pytest.approx(average.value + math.hypot(one.high - 1.0, other.high - 0.25) / 2)
    assert average.n == 10


def test_the_average_of_one_column_is_the_column() -> None:
    numbers = measure(_column("a", [1.0, 0.0, 0.0]), 1)
    average = average_columns([numbers])
    for name, estimate in numbers.metrics.items():
        for field in ("value", "se", "low", "high", "n"):
            assert getattr(average[name], field) == pytest.approx(getattr(estimate, field), abs=1e-12)


def test_columns_come_in_the_order_of_the_suite() -> None:
    problems = [*_column("z", [1.0]), *_column("b", [1.0]), *_column("a", [1.0]), *_column("b", [0.0])]
    columns = by_column(problems, ["a", "b", "unseen"])
    assert {name: [one.problem_id for one in members] for name, members in columns.items()} == {
        "a": ["a 0"],
        "b": ["b 0", "b 0"],
        "z": ["z 0"],
    }
    assert [*columns] == ["a", "b", "z"]
