"""Whether two sets of numbers go together, when they come in groups."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from spro.errors import StatisticsError
from spro.statistics.estimate import Agreement
from spro.statistics.proportion import QUANTILE, wilson_interval
from spro.statistics.resampling import TAIL, resampled_counts, widening

UNSEEN = 0.1
"""Groups' worth of trust in a group standing or falling as a whole, beside those that carry the measured spread."""


def correlation(x: Sequence[float], y: Sequence[float], clusters: Sequence[Hashable], seed: int = 0) -> Agreement:
    """Pearson correlation of ``x`` and ``y``, with a bootstrap interval that resamples whole clusters.

    Tokens of one group of rollouts share a prompt and their rewards; to take them for independent gives intervals that
    are too narrow. Resampled correlations are widened on the scale of Fisher's z by ``widening`` of the number of
    clusters.

    Args:
        x: one number a token.
        y: the other one.
        clusters: the group of each token.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        Value None where ``x`` or ``y`` does not vary; bounds None too where there is one cluster.

    Raises:
        StatisticsError: unequal lengths, nothing at all, or a value that is not finite.
    """
    xs, ys, labels = _columns(x, y, clusters)
    units = int(labels.max()) + 1
    xs, ys = xs - xs.mean(), ys - ys.mean()
    moments = np.stack([np.ones_like(xs), xs, ys, xs * xs, ys * ys, xs * ys])
    sums = np.stack([np.bincount(labels, row, units) for row in moments], axis=1)
    value = float(_pearson(sums.sum(axis=0)))
    if np.isnan(value):
        return Agreement(None, None, None, len(xs), units)
    if units == 1:
        return Agreement(value, None, None, len(xs), units)
    drawn = _pearson(resampled_counts(units, seed) @ sums)
    # A perfect correlation is at infinity on Fisher's scale; it stays there, next to it.
    edge = 1 - 1e-12
    center = np.arctanh(np.clip(value, -edge, edge))
    away = np.arctanh(np.clip(drawn[~np.isnan(drawn)], -edge, edge)) - center
    low, high = np.tanh(center + widening(units) * np.quantile(away, [TAIL, 1 - TAIL]))
    return Agreement(value, min(float(low), value), max(float(high), value), len(xs), units)


def sign_agreement(x: Sequence[float], y: Sequence[float], clusters: Sequence[Hashable]) -> Agreement:
    """Of the tokens where neither is 0, the share on which ``x`` and ``y`` have the same sign.

    The interval is Wilson's with the number of tokens that the spread between clusters is worth (``share_interval``,
    with the linearized variance of a ratio): it leaves room at 0 and 1, where a bootstrap has none.

    Args:
        x: one number a token; 0 says nothing.
        y: the other one.
        clusters: the group of each token.

    Returns:
        ``n`` counts tokens where neither is 0, ``clusters`` the groups that have one. Value None where there is none.

    Raises:
        StatisticsError: unequal lengths, nothing at all, or a value that is not finite.
    """
    xs, ys, labels = _columns(x, y, clusters)
    speaks = (xs != 0) & (ys != 0)
    if not speaks.any():
        return Agreement(None, None, None, 0, 0)
    same = (np.sign(xs) == np.sign(ys))[speaks]
    labels = np.unique(labels[speaks], return_inverse=True)[1]
    sizes = np.bincount(labels).astype(np.float64)
    units, share = len(sizes), same.mean()
    squares = np.square(np.bincount(labels, same) - share * sizes)
    effective, quantile = float(units), special.stdtrit(max(units - 1, 1), QUANTILE)
    if squares.sum() > 0 and units > 1:
        variance = squares.sum() * units / (units - 1) / sizes.sum() ** 2
        # As in share_interval, against groups that are all right or all wrong.
        deff = variance * (units - 1) / (share * (1 - share))
        carriers = squares.sum() ** 2 / np.square(squares).sum()
        effective = units * (carriers + UNSEEN) / (carriers * deff + UNSEEN)
    low, high = wilson_interval(np.asarray(share), effective, quantile)
    return Agreement(float(share), float(low), float(high), int(speaks.sum()), units)


def _pearson(sums: Float[np.ndarray, "*shape 6"]) -> Float[np.ndarray, "*shape"]:
    """From count, sums, squares and products of centered columns; NaN where one does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    x_spread, y_spread = xx - x * x / n, yy - y * y / n
    varies = (x_spread > 1e-12 * xx) & (y_spread > 1e-12 * yy)
    scale = np.sqrt(np.where(varies, x_spread * y_spread, 1.0))
    return np.where(varies, np.clip((xy - x * y / n) / scale, -1.0, 1.0), np.nan)


def _columns(
    x: Sequence[float], y: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """The numbers as arrays, and the number of each one's cluster, from 0."""
    if not len(x) == len(y) == len(clusters) or not len(x):
        raise StatisticsError(
            f"x has {len(x)} values, y {len(y)}, clusters {len(clusters)}; all three must have the same number, one at "
            "least"
        )
    columns = [np.asarray(column, dtype=np.float64) for column in (x, y)]
    for name, column in zip("xy", columns, strict=True):
        wrong = np.flatnonzero(~np.isfinite(column))
        if wrong.size:
            raise StatisticsError(f"{name}: value {wrong[0]} is {column[wrong[0]]}; it must be finite")
    numbers: dict[Hashable, int] = {}
    labels = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    return columns[0], columns[1], labels
