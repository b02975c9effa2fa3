"""Correlation and agreement in sign, of tokens that come in groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import Agreement, correlation, sign_agreement
from spro.statistics.resampling import RESAMPLES, resampled_counts


def tokens(groups: int, each: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Half of what varies, varies between groups."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(groups, 1))
    x = shared + generator.normal(size=(groups, each))
    y = 0.5 * shared + generator.normal(size=(groups, each))
    return x.ravel(), y.ravel(), [f"group {index // each}" for index in range(groups * each)]


def test_values_against_numpy() -> None:
    x, y, clusters = tokens(8, 12, 0)
    found = correlation(x, y, clusters)
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert (found.n, found.clusters) == (96, 8)
    assert sign_agreement(x, y, clusters).value == pytest.approx(np.mean(x * y > 0))


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
def test_intervals_hold_their_values(seed: int, groups: int, each: int) -> None:
    x, y, clusters = tokens(groups, each, seed)
    for found, least in ((correlation(x, y, clusters), -1), (sign_agreement(x, y, clusters), 0)):
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert least <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("measure", [correlation, sign_agreement])
def test_tokens_of_one_group_are_not_independent(measure) -> None:
    # Every token ten times over adds no knowledge; told that all are independent, the interval shrinks.
    x, y, clusters = tokens(12, 3, 1)
    once, often = measure(x, y, clusters), measure(x.repeat(10), y.repeat(10), np.repeat(clusters, 10).tolist())
    told = measure(x.repeat(10), y.repeat(10), list(range(360)))
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.01)
    assert told.high - told.low < 0.6 * (often.high - often.low)


@pytest.mark.parametrize(("groups", "least"), [(8, 0.90), (32, 0.93)])
def test_intervals_hold_the_truth(groups: int, least: float) -> None:
    generator = np.random.default_rng(3)
    clusters = np.repeat(np.arange(groups), 10).tolist()
    held = []
    for _ in range(150):
        x = generator.normal(size=groups * 10)
        y = x + generator.normal(size=groups * 10)
        strength, sign = correlation(x, y, clusters), sign_agreement(x, y, clusters)
        assert strength.low is not None
        assert strength.high is not None
        assert sign.low is not None
        assert sign.high is not None
        # The truths: 1 / sqrt(2), and 1/2 + asin(1 / sqrt(2)) / pi.
        held.append((strength.low <= 0.5**0.5 <= strength.high, sign.low <= 0.75 <= sign.high))
    assert np.mean(held, axis=0).min() >= least


def test_the_same_seed_gives_the_same_interval() -> None:
    x, y, clusters = tokens(5, 4, 0)
    assert correlation(x, y, clusters, seed=1) == correlation(x, y, clusters, seed=1)
    assert correlation(x, 3 * y + 1, clusters).low == pytest.approx(correlation(x, y, clusters).low)


def test_resamples_are_drawn_once_and_cannot_be_written_into() -> None:
    counts = resampled_counts(7, 3)
    assert resampled_counts(7, 3) is counts
    assert counts.sum(axis=1).tolist() == [7.0] * RESAMPLES
    with pytest.raises(ValueError, match="read-only"):
        counts[0, 0] = 1


def test_what_does_not_vary_has_no_correlation_and_what_is_silent_no_sign() -> None:
    clusters = [0, 0, 1, 1]
    assert correlation([0.1] * 4, [1.0, 2.0, 3.0, 4.0], clusters) == Agreement(None, None, None, 4, 2)
    assert correlation([1.0, 2.0], [2.0, 1.0], [0, 0]) == Agreement(-1.0, None, None, 2, 1)
    assert sign_agreement([0.0] * 4, [1.0, 2.0, 3.0, 4.0], clusters) == Agreement(None, None, None, 0, 0)
    assert sign_agreement([0.0, 1.0, 0.0, 0.0], [1.0, 2.0, 0.0, 4.0], clusters).n == 1


def test_perfect_agreement_of_a_few_groups_is_no_certainty() -> None:
    found = sign_agreement([1.0, -1.0, 2.0] * 4, [2.0, -3.0, 1.0] * 4, [index // 3 for index in range(12)])
    assert (found.value, found.high, found.clusters) == (1.0, 1.0, 4)
    assert found.low is not None
    assert found.low < 0.5


@pytest.mark.parametrize("measure", [correlation, sign_agreement])
@pytest.mark.parametrize(
    ("x", "y", "clusters", "message"),
    [
        ([1.0], [1.0, 2.0], [0], "x has 1 values, y 2, clusters 1"),
        ([], [], [], "one at least"),
        ([1.0, 2.0], [1.0, float("inf")], [0, 1], "y: value 1 is inf"),
    ],
)
def test_columns_that_do_not_fit_are_refused(measure, x, y, clusters, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        measure(x, y, clusters)
