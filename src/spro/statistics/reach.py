"""How long it takes to reach a target, when some runs never do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spro.errors import StatisticsError
from spro.statistics.resampling import TAIL, resampled_counts


@dataclass(frozen=True, slots=True)
class Reach:
    """Where runs of one method reach a target: the median over seeds with its 95 % interval, in units of the places.

    Attributes:
        value: the median; None where half of the runs or more never reach it.
        low: lower end of the interval; None where it is never.
        high: upper end of the interval; None where it is never.
        reached: runs that reached the target.
        runs: all runs.
    """

    value: float | None
    low: float | None
    high: float | None
    reached: int
    runs: int


def time_to_reach(curves: Sequence[tuple[Sequence[float], Sequence[float]]], target: float, seed: int = 0) -> Reach:
    """The first place at which a curve is at or above ``target``, in the median over seeds.

    Between two measurements the curve is a line. A run that never gets there counts as later than any that does, not
    as missing: to leave it out would flatter the method. The interval is the bootstrap's for a median. Of two to five
    seeds it is the range of all, and holds the true median in 50, 75, 87.5 and 93.75 % of cases: no interval that
    supposes nothing of the law of times can do more with so few.

    Args:
        curves: of each seed the places, rising, and the value at each.
        target: the value to reach, in units of the values.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        StatisticsError: no curve, one without a measurement, with unequal numbers of places and values, with places
            that do not rise, or a number that is not finite.
    """
    if not curves:
        raise StatisticsError("time_to_reach: there is no curve; it needs at least one seed")
    times = np.array([first_reached(places, values, target, row) for row, (places, values) in enumerate(curves)])
    counts = resampled_counts(len(times), seed).astype(np.int64)
    times.sort()
    drawn = medians(times, counts)
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL], method="inverted_cdf")
    value = medians(times, np.ones((1, len(times)), dtype=np.int64))[0]
    return Reach(_finite(value), _finite(low), _finite(high), int(np.isfinite(times).sum()), len(times))


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as much one method took as another, with its 95 % interval.

    Attributes:
        value: the ratio of the medians; None where one of them is never.
        low: lower end of the interval, 0 where nothing is known; None where there is no value or one seed.
        high: upper end of the interval; None where it is never, and where ``low`` is.
    """

    value: float | None
    low: float | None
    high: float | None


def ratio_of_times(theirs: Sequence[float], own: Sequence[float], seed: int = 0) -> Ratio:
    """Median of ``theirs`` over median of ``own`` with its bootstrap interval; seeds are resampled in pairs.

    A run that never got there counts as infinity. Where neither did, anything may be true: such a resample is as near
    to 0 as to infinity. Of less than six seeds the interval is about the range of what they say.

    Args:
        theirs: of each seed what the other method took; 0 or more, infinity for never.
        own: of the same seeds what this one took.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        StatisticsError: no seed, unequal numbers of them, or a time below 0 or NaN.
    """
    if len(theirs) != len(own) or not len(own):
        raise StatisticsError(
            f"theirs has {len(theirs)} times and own {len(own)}; a ratio needs both of the same seeds, one at least"
        )
    times = [np.asarray(numbers, dtype=np.float64) for numbers in (theirs, own)]
    for name, numbers in zip(("theirs", "own"), times, strict=True):
        wrong = np.flatnonzero(~(numbers >= 0))
        if wrong.size:
            raise StatisticsError(f"{name}[{wrong[0]}] is {numbers[wrong[0]]}; a time is 0 or more, or infinity")
    counts = np.vstack([np.ones(len(own)), resampled_counts(len(own), seed)]).astype(np.int64)
    orders = [np.argsort(numbers) for numbers in times]
    a, b = (medians(numbers[order], counts[:, order]) for numbers, order in zip(times, orders, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        value, *ratios = a / b
    if not math.isfinite(value) or value == 0:
        return Ratio(None, None, None)
    if len(own) == 1:
        return Ratio(float(value), None, None)
    low, high = (
        np.quantile(np.nan_to_num(ratios, nan=unknown, posinf=math.inf), share, method="inverted_cdf")
        for unknown, share in ((0.0, TAIL), (math.inf, 1 - TAIL))
    )
    return Ratio(float(value), _finite(low), _finite(high))


def first_reached(places: Sequence[float], values: Sequence[float], target: float, row: int = 0) -> float:
    """Where one curve reaches ``target`` first; infinity if it never does.

    Raises:
        StatisticsError: as in ``time_to_reach``; ``row`` is the number of the curve in the message.
    """
    if len(places) != len(values) or not len(places):
        raise StatisticsError(
            f"curve {row} has {len(places)} places and {len(values)} values; it needs a value at each, one at least"
        )
    for name, numbers in (("places", places), ("values", values)):
        for index, number in enumerate(numbers):
            if not math.isfinite(number):
                raise StatisticsError(f"curve {row}: {name}[{index}] is {number}; it must be finite")
    for index in range(1, len(places)):
        if places[index] <= places[index - 1]:
            raise StatisticsError(
                f"curve {row}: place {places[index]} comes behind {places[index - 1]}; places must rise"
            )
    for index, value in enumerate(values):
        if value >= target:
            if index == 0:
                return float(places[0])
            before = values[index - 1]
            share = (target - before) / (value - before)
            return float(places[index - 1] + share * (places[index] - places[index - 1]))
    return math.inf


def medians(times: Float[np.ndarray, " runs"], counts: Int[np.ndarray, "R runs"]) -> Float[np.ndarray, " R"]:
    """Median of each of R resamples, given rising times and how often each of them was drawn."""
    size = len(times)
    behind = np.cumsum(counts, axis=1)
    middle = [times[(behind > place).argmax(axis=1)] for place in ((size - 1) // 2, size // 2)]
    return np.asarray((middle[0] + middle[1]) / 2)


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
