"""avg@k against closed forms, slow loops and what must not matter."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from spro.errors import StatisticsError
from spro.statistics import average_score

SCORES = st.lists(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=4), min_size=1, max_size=30)


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (1, 40), (13, 40), (40, 40), (171, 500), (1, 1)])
def test_one_sample_a_problem_is_wilson(hits: int, n: int) -> None:
    found = average_score([[1.0]] * hits + [[0.0]] * (n - hits))
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.value, found.n) == (pytest.approx(hits / n), n)


def test_of_half_of_83_problems_ten_points_are_not_known() -> None:
    found = average_score([[float(index % 2)] for index in range(83)])
    assert found.high - found.value == pytest.approx(0.105, abs=0.002)


@given(SCORES)
def test_standard_error_against_a_loop(scores: list[list[float]]) -> None:
    means = [sum(samples) / len(samples) for samples in scores]
    n, center = len(means), sum(means) / len(means)
    found = average_score(scores)
    squares = sum((mean - center) ** 2 for mean in means)
    assert found.value == pytest.approx(center)
    assert found.se == pytest.approx(math.sqrt(squares / (n * (n - 1))) if n > 1 else 0.5)


@given(SCORES)
def test_the_interval_holds_the_value_and_is_one_of_shares(scores: list[list[float]]) -> None:
    found = average_score(scores)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@given(SCORES, st.randoms(use_true_random=False))
def test_order_of_problems_and_samples_and_repeated_samples_do_not_matter(scores: list[list[float]], random) -> None:
    shuffled = [random.sample(samples, len(samples)) * 2 for samples in random.sample(scores, len(scores))]
    first, second = average_score(scores), average_score(shuffled)
    for field in ("value", "se", "low", "high", "n"):
        assert getattr(second, field) == pytest.approx(getattr(first, field), abs=1e-9)


def test_more_samples_of_the_same_problems_narrow_the_interval_less_than_more_problems() -> None:
    alike = [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]] * 20
    assert average_score(alike).se == average_score([samples[:1] for samples in alike]).se
    assert average_score(alike * 4).se < 0.51 * average_score(alike).se


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "scores: there is no problem"),
        ([[1.0], []], "scores: problem 1 has no sample"),
        ([[1.0], [0.5, 1.5]], r"scores: problem 1 has the score 1\.5; scores lie in \[0, 1\]"),
        ([[1.0, -0.1]], r"problem 0 has the score -0\.1"),
        ([[1.0], [0.0, 1.0], [math.nan]], "problem 2 has the score nan"),
    ],
)
def test_what_is_no_score_is_refused_in_one_line(scores: list[list[float]], message: str) -> None:
    with pytest.raises(StatisticsError, match=message) as caught:
        average_score(scores)
    assert "\n" not in str(caught.value)
