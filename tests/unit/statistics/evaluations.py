"""Simulated evaluations: how often the 95 % intervals hold the truth.

    OMP_NUM_THREADS=1 python -m tests.unit.statistics.evaluations

prints the table of docs/statistics.md. The lines of seeds are of 500 comparisons each, the others of 2,000 evaluations.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy.special import betaln

from spro.statistics.crossed import crossed_mean
from spro.statistics.paired import shrunk_mean, student
from spro.statistics.pass_at_k import pass_values
from spro.statistics.proportion import share_interval

EVALUATIONS = 2000
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
SEEDS = {f"{seeds} seeds, spread {spread:g}": crossed(seeds, spread) for seeds in (2, 3, 5) for spread in (0, 0.2, 0.6)}


def measure(name: str, shape: str, n: int) -> float:
    """The same number each time."""
    cover = (MEASURES | SEEDS)[name]
    return cover(np.random.default_rng([*name.encode(), *shape.encode(), n]), SHAPES[shape], n)


def main() -> None:
    """Print the table."""
    print("| | " + " | ".join(SHAPES) + " |\n|---|" + "---|" * len(SHAPES))
    for name in MEASURES | SEEDS:
        cells = (" / ".join(f"{100 * measure(name, shape, n):.1f}" for n in SIZES) for shape in SHAPES)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
