"""The 95 % intervals hold the truth in 93 to 97 % of simulated evaluations."""

import numpy as np
import pytest
from scipy.stats import binom

from spro.statistics.band import band_bounds
from spro.statistics.proportion import share_interval, wilson_interval
from spro.statistics.resampling import resampled_counts
from tests.unit.statistics.evaluations import COLUMNS, EVALUATIONS, MEASURES, SHAPES, SIZES, measure, moment

WIDE = {
    ("pass@4 of 8", "very easy", 40),
    ("pass@4 of 8", "very easy", 200),
    ("paired, 1 sample, equal", "bimodal", 40),
    ("paired, 1 sample, equal", "very easy", 40),
    ("paired, 1 sample", "very easy", 40),
}
"""Where less than ten problems carry all of the spread: the intervals may err on the wide side."""


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MEASURES)
def test_intervals_hold_the_truth_as_often_as_they_say(name: str, shape: str, n: int) -> None:
    most = 0.985 if (name, shape, n) in WIDE else 0.97
    assert 0.93 <= measure(name, shape, n) <= most


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", COLUMNS)
def test_intervals_of_the_mean_of_columns(name: str, shape: str, n: int) -> None:
    # Of 40 problems the smallest column has five: too few to say much of its spread.
    least, most = (0.90, 1.0) if n == 40 else (0.93, 0.975)
    assert least <= measure(name, shape, n) <= most


@pytest.mark.parametrize(("n", "least", "share"), [(40, 0.92, 0.93), (200, 0.93, 1.0), (500, 0.93, 1.0)])
def test_of_one_sample_coverage_is_exact_arithmetic(n: int, least: float, share: float) -> None:
    # Of 40 problems there are 41 outcomes: no interval can hold each truth equally often.
    hits = np.arange(n + 1)
    low, high = share_interval((np.arange(n) < hits[:, None]).astype(float))
    truths = np.linspace(0.02, 0.98, 961)
    chances = binom.pmf(hits[:, None], n, truths)
    coverage = (chances * ((low[:, None] <= truths) & (truths <= high[:, None]))).sum(axis=0)
    assert coverage.min() >= least
    assert np.mean((coverage >= 0.93) & (coverage <= 0.97)) >= share
    assert coverage.mean() == pytest.approx(0.95, abs=0.005)


def test_without_the_pull_to_one_pass_at_k_near_one_misses_the_truth() -> None:
    # What share_interval guards against, shown on the formula without the guard.
    generator, shape = np.random.default_rng(0), (4.0, 1.0)
    chances = generator.beta(*shape, (EVALUATIONS, 40))
    wrong = 8 - generator.binomial(8, chances)
    values = 1 - wrong * (wrong - 1) * (wrong - 2) * (wrong - 3) / (8 * 7 * 6 * 5)
    mean = values.mean(axis=1)
    most = mean * (1 - mean)
    deff = np.where(most > 0, values.var(axis=1) / np.where(most > 0, most, 1.0), 1.0)
    bare = wilson_interval(mean, 40 / deff, 1.96)
    truth = 1 - moment(shape, 0, 4)
    assert np.mean((bare[0] <= truth) & (truth <= bare[1])) < 0.80
    low, high = share_interval(values)
    assert np.mean((low <= truth) & (truth <= high)) > 0.93


@pytest.mark.parametrize("name", ["3 seeds, spread 0", "3 seeds, spread 0.2", "3 seeds, spread 0.6"])
@pytest.mark.parametrize("shape", ["middling", "hard"])
def test_equal_methods_are_seldom_told_apart(name: str, shape: str) -> None:
    # 500 comparisons: a standard error of 0.01.
    assert all(measure(name, shape, n) >= 0.93 for n in (40, 200))


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.90), (3, 0.93), (5, 0.93), (10, 0.93)])
def test_bands_hold_the_mean_over_all_seeds(seeds: int, least: float) -> None:
    curves = np.random.default_rng(1).normal(size=(seeds, EVALUATIONS))
    mean = curves.mean(axis=0)
    low, high = band_bounds(curves - mean, resampled_counts(seeds, 0))
    assert least <= np.mean((mean + low <= 0) & (mean + high >= 0)) <= 0.97
