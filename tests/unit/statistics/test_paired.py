"""Differences of two models on the same problems."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import average_score, paired_difference

SAMPLES = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=4)
PAIRS = st.lists(st.tuples(SAMPLES, SAMPLES), min_size=1, max_size=30)


def tables(pairs: list[tuple[list[float], list[float]]]) -> tuple[list[list[float]], list[list[float]]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def test_one_sample_a_problem_is_agresti_and_min() -> None:
    # 200 problems: only a right on 30, only b right on 10; both 100, neither 60. Half a problem is added to each.
    a = [[1.0]] * 30 + [[0.0]] * 10 + [[1.0]] * 100 + [[0.0]] * 60
    b = [[0.0]] * 30 + [[1.0]] * 10 + [[1.0]] * 100 + [[0.0]] * 60
    found = paired_difference(a, b)
    first, second, n = 30.5, 10.5, 202
    center = (first - second) / n
    half = 1.971957 * math.sqrt((first + second) - (first - second) ** 2 / n) / n  # Student's quantile, 199 degrees
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((center - half, center + half), abs=1e-6)
    # McNemar, exact: 2 P(Binomial(40, 1/2) <= 10) = 0.0022.
    assert 0.0005 < found.p_value < 0.004


@given(PAIRS)
def test_standard_error_against_a_loop(pairs: list[tuple[list[float], list[float]]]) -> None:
    differences = [sum(a) / len(a) - sum(b) / len(b) for a, b in pairs]
    n, center = len(pairs), sum(differences) / len(pairs)
    found = paired_difference(*tables(pairs))
    squares = sum((difference - center) ** 2 for difference in differences)
    assert found.value == pytest.approx(center, abs=1e-12)
    assert found.se == pytest.approx(math.sqrt(squares / (n * (n - 1))) if n > 1 else 1.0)


@given(PAIRS)
def test_turned_round_it_is_its_own_negative(pairs: list[tuple[list[float], list[float]]]) -> None:
    a, b = tables(pairs)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-12)
    assert (there.se, there.p_value, there.n) == pytest.approx((back.se, back.p_value, back.n))


@given(PAIRS)
def test_interval_holds_the_value_and_agrees_with_the_p_value(pairs: list[tuple[list[float], list[float]]]) -> None:
    found = paired_difference(*tables(pairs))
    assert -1 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert found.low < found.high
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


@given(PAIRS, st.randoms(use_true_random=False))
def test_order_of_problems_and_repeated_samples_do_not_matter(
    pairs: list[tuple[list[float], list[float]]], random
) -> None:
    doubled = [(a * 2, b * 3) for a, b in random.sample(pairs, len(pairs))]
    first, second = paired_difference(*tables(pairs)), paired_difference(*tables(doubled))
    for field in ("value", "se", "low", "high", "p_value"):
        assert getattr(second, field) == pytest.approx(getattr(first, field), abs=1e-9)


def test_pairing_takes_out_what_makes_a_problem_hard() -> None:
    a = [[1.0, 1.0]] * 50 + [[0.5, 0.0]] * 50
    b = [[1.0, 0.5]] * 50 + [[0.0, 0.0]] * 50
    found = paired_difference(a, b)
    assert found.p_value < 1e-6
    assert found.se < 0.1 * (average_score(a).se + average_score(b).se)


def test_no_disagreement_is_no_proof_of_equality() -> None:
    same = [[1.0]] * 20 + [[0.0]] * 20
    found = paired_difference(same, same)
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert found.high == -found.low == pytest.approx(0.048, abs=1e-3)


def test_rounding_is_no_disagreement() -> None:
    once, often = [[0.1, 0.2, 0.7]] * 40, [[0.1, 0.2, 0.7] * 3] * 40
    assert paired_difference(once, often).high == pytest.approx(0.048, abs=1e-3)


@pytest.mark.parametrize(("differing", "is_told"), [(4, False), (8, True)])
def test_a_few_problems_that_differ_the_same_way(differing: int, is_told: bool) -> None:
    # McNemar, exact: p = 0.125 of four, 0.008 of eight.
    a = [[1.0]] * 40
    b = [[0.0]] * differing + [[1.0]] * (40 - differing)
    assert (paired_difference(a, b).p_value < 0.05) == is_told


def test_unequal_numbers_of_problems_and_bad_scores_are_refused() -> None:
    with pytest.raises(StatisticsError, match="a has 2 problems and b has 1"):
        paired_difference([[1.0], [0.0]], [[1.0]])
    with pytest.raises(StatisticsError, match="b: problem 1 has the score 2"):
        paired_difference([[1.0], [0.0]], [[1.0], [2.0]])
    with pytest.raises(StatisticsError, match="a: there is no problem"):
        paired_difference([], [])
