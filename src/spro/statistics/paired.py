"""Two models on the same problems: what one is better by."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import special

from spro.errors import StatisticsError
from spro.statistics.estimate import CONFIDENCE, Difference
from spro.statistics.proportion import standard_error
from spro.statistics.samples import problem_means

ADDED = 2
"""Problems added to those that were seen: half of one each way, the other between the two."""
SINGLE_SE = 1.0
"""No difference in [-1, 1] spreads more: the standard error where a single problem leaves it unknown."""


def paired_difference(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> Difference:
    """Mean over problems of the score of ``a`` minus that of ``b``, with ``difference_interval``.

    Pairing takes out what makes a problem hard for both, which is most of the variance of either score.

    Args:
        a: ``a[i]`` holds the scores in [0, 1] of the samples of problem i by one model.
        b: the same by the other, problems in the same order; the number of samples may differ.

    Raises:
        StatisticsError: unequal numbers of problems, no problem, a problem without a sample, or a score outside [0, 1]
            or NaN.
    """
    if len(a) != len(b):
        raise StatisticsError(
            f"a has {len(a)} problems and b has {len(b)}; a paired difference needs the same problems in the same order"
        )
    return problem_difference(problem_means(a, "a") - problem_means(b, "b"))


def problem_difference(differences: Float[np.ndarray, " n"]) -> Difference:
    """The mean of one difference a problem."""
    n = len(differences)
    center, spread = shrunk_mean(differences)
    low, high, p_value = student(center, spread, max(n - 1, 1))
    se = standard_error(differences, SINGLE_SE)
    return Difference(float(differences.mean()), se, float(low), float(high), float(p_value), n)


def shrunk_mean(
    differences: Float[np.ndarray, "*evaluations n"],
) -> tuple[Float[np.ndarray, "*evaluations"], Float[np.ndarray, "*evaluations"]]:
    """Center and standard error of the interval; leading axes are other evaluations.

        center = sum d / (n + 2),   se^2 = ((sum d^2 + c^2) / (n + 2) - center^2) / (n + 2),   c^2 = sum d^4 / sum d^2

    Of one sample a problem d is -1, 0 or 1, so that c = 1 and this is the interval of Agresti and Min (Statistics in
    Medicine 24, 2005), who add half a problem to each of the four outcomes of a pair. c is the size of the differences
    that carry the variance, so that of several samples, where d is smaller, the added ones are too. Without them a
    few problems that differ give intervals that miss the truth more often than not, and none that differs gives an
    interval of width 0. c is 1 where none differs.
    """
    n = differences.shape[-1] + ADDED
    squares = np.square(differences)
    total, fourth = squares.sum(axis=-1), np.square(squares).sum(axis=-1)
    # Equal means of different numbers of samples differ by rounding, 1e-17.
    size = np.divide(fourth, total, out=np.ones_like(total), where=total > 1e-18)
    center = differences.sum(axis=-1) / n
    return center, np.sqrt(((total + size) / n - np.square(center)) / n)


def student(
    center: Float[np.ndarray, "*shape"], se: Float[np.ndarray, "*shape"], degrees: Float[np.ndarray, "*shape"] | float
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Ends of the 95 % interval of a difference, inside [-1, 1], and the two-sided p-value that agrees with it."""
    half = special.stdtrit(degrees, (1 + CONFIDENCE) / 2) * se
    p_value = 2 * special.stdtr(degrees, -np.abs(center) / se)
    return np.clip(center - half, -1.0, 1.0), np.clip(center + half, -1.0, 1.0), p_value
