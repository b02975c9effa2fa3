"""The interval of a share: Wilson's, with the number of problems that the spread between problems is worth."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from spro.statistics.estimate import CONFIDENCE, Estimate

QUANTILE = (1 + CONFIDENCE) / 2
UNSEEN = 0.5
"""Problems' worth of trust in a design effect of 1, beside the problems that carry the measured one."""
SINGLE_SE = 0.5
"""No score in [0, 1] spreads more: the standard error where a single problem leaves it unknown."""


def share_estimate(values: Float[np.ndarray, " n"]) -> Estimate:
    """Mean of the problems' values with its interval.

    Args:
        values: one number a problem, in [0, 1].
    """
    low, high = share_interval(values)
    return Estimate(float(values.mean()), standard_error(values, SINGLE_SE), float(low), float(high), len(values))


def standard_error(values: Float[np.ndarray, " n"], single: float) -> float:
    """sqrt(sum (v_i - mean)^2 / (n (n - 1))): problems are independent, samples of one problem are not.

    Miller, arXiv 2411.00640, section 2. ``single`` if there is one problem.
    """
    n = len(values)
    return float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else single


def share_interval(
    values: Float[np.ndarray, "*evaluations n"],
) -> tuple[Float[np.ndarray, "*evaluations"], Float[np.ndarray, "*evaluations"]]:
    """95 % interval of the mean over all problems that might have been drawn; leading axes are other evaluations.

        n_eff = n / deff,    deff = s^2 / (p (1 - p) n / (n - 1))

    The score interval (Wilson 1927) of the mean p at the effective sample size of survey sampling (Korn and Graubard
    1998; Franco et al. 2019): s^2 is the variance of the problems' values, and it is divided by the one that they would
    have if each were 0 or 1. Of one sample a problem they are, so that deff = 1 and this is Wilson's interval itself.
    Otherwise deff is an estimate: the quantile is Student's with n - 1 degrees, and deff is drawn to 1, which is its
    maximum, as if ``UNSEEN`` problems more had said so beside the m that carry the spread:

        deff' = (m deff + UNSEEN) / (m + UNSEEN),    m = (sum e^2)^2 / sum e^4,    e = v - p

    Without it a few odd problems among many equal ones (pass@k near 1) give intervals that miss the truth in one
    evaluation out of four. Where all problems agree, m = 0 and the interval is that of n problems.
    """
    n = values.shape[-1]
    mean = values.mean(axis=-1)
    squares = np.square(values - mean[..., None])
    total, fourth = squares.sum(axis=-1), np.square(squares).sum(axis=-1)
    most = n * mean * (1 - mean)
    # Rounding leaves a spread of 1e-34 where all problems have the same value.
    spreads = total > 1e-18
    carriers = np.divide(total**2, fourth, out=np.zeros_like(mean), where=spreads)
    deff = np.divide(total, most, out=np.ones_like(mean), where=spreads)
    deff = (carriers * deff + UNSEEN) / (carriers + UNSEEN)
    return wilson_interval(mean, n / deff, _quantile(n, _is_binary(values)))


def wilson_interval(
    mean: Float[np.ndarray, "*shape"],
    n: Float[np.ndarray, "*shape"] | float,
    quantile: Float[np.ndarray, "*shape"] | float,
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The shares p with abs(mean - p) <= quantile sqrt(p (1 - p) / n).

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    square = np.square(quantile) / n
    center = mean + square / 2
    half = np.sqrt(square * (mean * (1 - mean) + square / 4))
    low, high = (center - half) / (1 + square), (center + half) / (1 + square)
    # Rounding must not put the value outside of its own interval.
    return np.clip(low, 0.0, mean), np.clip(high, mean, 1.0)


def _is_binary(values: Float[np.ndarray, "*evaluations n"]) -> Bool[np.ndarray, "*evaluations"]:
    return np.asarray(np.all((values == 0) | (values == 1), axis=-1))


def _quantile(n: int, is_binary: Bool[np.ndarray, "*evaluations"]) -> Float[np.ndarray, "*evaluations"]:
    normal = special.ndtri(QUANTILE)
    return np.asarray(np.where(is_binary, normal, special.stdtrit(n - 1, QUANTILE) if n > 1 else normal))
