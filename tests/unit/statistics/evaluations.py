"""Simulated evaluations: how often the 95 % intervals hold the truth.

    OMP_NUM_THREADS=1 python -m tests.unit.statistics.evaluations

prints the table of docs/statistics.md. The lines of seeds are of 500 comparisons each, the others of EVALUATIONS
evaluations: 2,000 if the environment says nothing.
"""

import os
from collections.abc import Callable
from statistics import fmean

import numpy as np
from numpy.random import Generator
from scipy.special import betaln

from spro.statistics import Estimate, column_average, ratio_of_times
from spro.statistics.columns import balanced
from spro.statistics.crossed import crossed_mean
from spro.statistics.paired import shrunk_mean, student
from spro.statistics.pass_at_k import pass_values
from spro.statistics.proportion import share_interval

EVALUATIONS = int(os.environ.get("EVALUATIONS", "2000"))
SIZES = (40, 200, 500)
SHAPES = {
    "middling": (2.0, 2.0),
    "easy": (3.0, 1.0),
    "hard": (1.0, 3.0),
    "bimodal": (0.3, 0.3),
    "very easy": (4.5, 0.5),
    "very hard": (0.5, 4.5),
}
"""Beta distributions that the chance of solving a problem is drawn from, anew for each evaluation."""

Coverage = Callable[[Generator, tuple[float, float], int], float]
"""Share of evaluations of n problems of a shape whose interval holds the truth."""


def moment(shape: tuple[float, float], of_right: float, of_wrong: float = 0.0) -> float:
    """E[q^of_right (1 - q)^of_wrong] over a Beta distribution."""
    return float(np.exp(betaln(shape[0] + of_right, shape[1] + of_wrong) - betaln(*shape)))


def average(samples: int) -> Coverage:
    def cover(generator: Generator, shape: tuple[float, float], n: int) -> float:
        chances = generator.beta(*shape, (EVALUATIONS, n))
        low, high = share_interval(generator.binomial(samples, chances) / samples)
        return held(low, high, moment(shape, 1))

    return cover


def passed(k: int, samples: int) -> Coverage:
    def cover(generator: Generator, shape: tuple[float, float], n: int) -> float:
        hits = generator.binomial(samples, generator.beta(*shape, (EVALUATIONS, n))).astype(float)
        low, high = share_interval(pass_values(np.full_like(hits, samples), hits, k))
        return held(low, high, 1 - moment(shape, 0, k))

    return cover


def paired(samples: int, power: float) -> Coverage:
    """The better model solves with chance q^power what the other solves with chance q."""

    def cover(generator: Generator, shape: tuple[float, float], n: int) -> float:
        chances = generator.beta(*shape, (EVALUATIONS, n))
        better, other = (generator.binomial(samples, each) / samples for each in (chances**power, chances))
        center, se = shrunk_mean(better - other)
        low, high, _ = student(center, se, n - 1)
        return held(low, high, moment(shape, power) - moment(shape, 1))

    return cover


def crossed(seeds: int, seed_spread: float, evaluations: int = 500) -> Coverage:
    """Two equal methods: each of their runs is off by a draw of this spread, in logits, on all problems alike."""

    def cover(generator: Generator, shape: tuple[float, float], n: int) -> float:
        chances = np.clip(generator.beta(*shape, (evaluations, 1, n)), 1e-9, 1 - 1e-9)
        logits = np.log(chances / (1 - chances))

        def scores() -> np.ndarray:
            chance = 1 / (1 + np.exp(-logits - generator.normal(0, seed_spread, (evaluations, seeds, 1))))
            return (generator.random((evaluations, seeds, n)) < chance).astype(float)

        low, high, _ = student(*crossed_mean(scores() - scores()))
        return held(low, high, 0.0)

    return cover


def columns_of(shape: tuple[float, float], n: int) -> list[tuple[tuple[float, float], int]]:
    """An eighth, a quarter and the rest of the problems: a shape, its mirror image, and an even one."""
    a, b = shape
    return [((a, b), n // 8), ((b, a), n // 4), ((a, a), n - n // 8 - n // 4)]


def column_averages(samples: int) -> Coverage:
    def cover(generator: Generator, shape: tuple[float, float], n: int) -> float:
        columns = columns_of(shape, n)
        chances = [generator.beta(*each, (EVALUATIONS, size)) for each, size in columns]
        tables = [generator.binomial(samples, each) / samples for each in chances]
        ends = [np.stack([table.mean(axis=1), *share_interval(table)], axis=1) for table in tables]
        means = [
            column_average([Estimate(value, 0.0, low, high, n) for value, low, high in row])
            for row in zip(*ends, strict=True)
        ]
        low, high = (np.array([getattr(one, end) for one in means]) for end in ("low", "high"))
        return held(low, high, fmean(moment(each, 1) for each, _ in columns))

    return cover


def column_pairs(samples: int, power: float) -> Coverage:
    """``paired``, for the mean of the columns."""

    def cover(generator: Generator, shape: tuple[float, float], n: int) -> float:
        columns = columns_of(shape, n)
        chances = np.hstack([generator.beta(*each, (EVALUATIONS, size)) for each, size in columns])
        better, other = (generator.binomial(samples, each) / samples for each in (chances**power, chances))
        labels = [str(number) for number, (_, size) in enumerate(columns) for _ in range(size)]
        center, se = shrunk_mean(balanced((better - other)[:, None], labels)[:, 0])
        low, high, _ = student(center, se, n - 1)
        return held(low, high, fmean(moment(each, power) - moment(each, 1) for each, _ in columns))

    return cover


def ratio_coverage(seeds: int, comparisons: int = 500) -> float:
    """Times of two methods, lognormal with a spread of 0.3, one in the median twice as quick; paired by nothing."""
    generator = np.random.default_rng(seeds)
    found = [
        ratio_of_times(2 * np.exp(0.3 * theirs), np.exp(0.3 * own))
        for theirs, own in generator.normal(size=(comparisons, 2, seeds))
    ]
    return float(np.mean([(one.low or 0.0) <= 2 <= (one.high or np.inf) for one in found]))


def held(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))


MEASURES: dict[str, Coverage] = {
    "avg@1": average(1),
    "avg@4": average(4),
    "avg@8": average(8),
    "pass@2 of 8": passed(2, 8),
    "pass@4 of 8": passed(4, 8),
    "paired, 1 sample, equal": paired(1, 1.0),
    "paired, 1 sample": paired(1, 0.5),
    "paired, 4 samples": paired(4, 0.5),
    "paired, 8 samples": paired(8, 0.5),
}
COLUMNS: dict[str, Coverage] = {
    "columns, avg@1": column_averages(1),
    "columns, avg@4": column_averages(4),
    "columns, paired, 1 sample, equal": column_pairs(1, 1.0),
    "columns, paired, 1 sample": column_pairs(1, 0.5),
    "columns, paired, 4 samples": column_pairs(4, 0.5),
}
SEEDS = {f"{seeds} seeds, spread {spread:g}": crossed(seeds, spread) for seeds in (2, 3, 5) for spread in (0, 0.2, 0.6)}


def measure(name: str, shape: str, n: int) -> float:
    """The same number each time."""
    cover = (MEASURES | COLUMNS | SEEDS)[name]
    return cover(np.random.default_rng([*name.encode(), *shape.encode(), n]), SHAPES[shape], n)


def main() -> None:
    """Print the table."""
    print("| | " + " | ".join(SHAPES) + " |\n|---|" + "---|" * len(SHAPES))
    for name in MEASURES | COLUMNS | SEEDS:
        cells = (" / ".join(f"{100 * measure(name, shape, n):.1f}" for n in SIZES) for shape in SHAPES)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
