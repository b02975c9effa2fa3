"""Differences of two methods over seeds and problems."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import crossed_difference, paired_difference
from spro.statistics.crossed import crossed_mean
from spro.statistics.paired import shrunk_mean


def tables(seed: int, seeds: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.random((seeds, n)), generator.random((seeds, n))


def test_mean_squares_against_a_loop() -> None:
    a, b = tables(0, 3, 7)
    b = b * np.array([[0.2], [0.5], [0.9]])
    d = (a - b).tolist()
    mean = sum(map(sum, d)) / 21
    by_seed = [sum(row) / 7 for row in d]
    by_problem = [sum(row[i] for row in d) / 3 for i in range(7)]
    of_seeds = 7 * sum((value - mean) ** 2 for value in by_seed) / 2
    of_rest = sum((d[s][i] - by_seed[s] - by_problem[i] + mean) ** 2 for s in range(3) for i in range(7)) / 12
    problems = float(shrunk_mean(np.array(by_problem))[1]) ** 2
    assert of_seeds > of_rest
    variance = problems + (of_seeds - of_rest) / 21
    _, se, degrees = crossed_mean(a - b)
    assert float(se) == pytest.approx(variance**0.5)
    assert float(degrees) == pytest.approx(variance**2 / (problems**2 / 6 + (of_seeds / 21) ** 2 / 2))


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 20))
def test_interval_holds_the_value_agrees_with_the_p_value_and_turns_round(seed: int, seeds: int, n: int) -> None:
    a, b = tables(seed, seeds, n)
    found, back = crossed_difference(a, b), crossed_difference(b, a)
    assert found.value == pytest.approx((a - b).mean())
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
    assert (found.value, found.low, found.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert found.p_value == pytest.approx(back.p_value)


@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_order_of_seeds_and_problems_does_not_matter(seed: int, random) -> None:
    a, b = tables(seed, 3, 8)
    rows, columns = random.sample(range(3), 3), random.sample(range(8), 8)
    first, second = crossed_difference(a, b), crossed_difference(a[rows][:, columns], b[rows][:, columns])
    for field in ("value", "se", "low", "high", "p_value"):
        assert getattr(second, field) == pytest.approx(getattr(first, field))


def test_one_seed_is_the_paired_difference() -> None:
    a, b = tables(1, 1, 30)
    pairs = ([[float(value)] for value in table[0]] for table in (a, b))
    assert crossed_difference(a, b) == paired_difference(*pairs)


def test_a_method_that_won_by_one_lucky_seed_has_not_won() -> None:
    # Pooled over 3 x 200 problems the gain of 0.1 is four standard errors; it comes from one seed.
    generator = np.random.default_rng(2)
    b = (generator.random((3, 200)) < 0.4).astype(float)
    a = b.copy()
    a[0, np.flatnonzero(b[0] == 0)[:60]] = 1.0
    assert crossed_difference(a, b).p_value > 0.2
    assert crossed_difference(a[:1], b[:1]).p_value < 1e-6


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"a has the shape \(2, 3\) and b \(3, 2\)"),
        (np.zeros(3), np.zeros(3), r"a has the shape \(3,\); it must be \[seeds, problems\]"),
        (np.zeros((0, 3)), np.zeros((0, 3)), r"it must be \[seeds, problems\], one of each at least"),
        (np.zeros((2, 3)), np.full((2, 3), np.nan), "b: seed 0, problem 0 has the score nan"),
    ],
)
def test_tables_that_do_not_fit_are_refused(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        crossed_difference(a, b)
