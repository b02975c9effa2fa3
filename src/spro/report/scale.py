"""Ticks a reader can count with, and long curves made short without hiding a spike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PATH_POINTS = 1200


@dataclass(frozen=True, slots=True)
class Axis:
    """A range and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where ``value`` lies: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def value_axis(values: Sequence[float], target: int, ceiling: float | None = None) -> Axis:
    """An axis around the values that ends on ticks.

    Starts at zero unless that would flatten the curve into the upper half of the frame.

    Args:
        values: at least one.
        target: about how many intervals.
        ceiling: a value that cannot be exceeded (1 for a share), so no empty room is drawn above it.
    """
    low, high = min(values), max(values)
    if 0 <= low <= 0.6 * high or low == high >= 0:
        low = 0.0
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = nice_step((high - low) / target)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    if ceiling is not None and ticks[-1] > ceiling >= high:
        ticks = (*(tick for tick in ticks if tick < ceiling - step / 2), ceiling)
    return Axis(ticks[0], ticks[-1], ticks)


def step_axis(first: float, last: float, target: int) -> Axis:
    """An axis over whole steps that ends where the data ends; a single step stands in the middle."""
    if first == last:
        return Axis(first - 1.0, last + 1.0, (float(first),))
    return _inner_axis(first, last, max(1.0, float(math.ceil(nice_step((last - first) / target)))))


def place_axis(first: float, last: float, target: int) -> Axis:
    """As ``step_axis`` over places that need not be whole: hours, tokens, FLOPs."""
    if first == last:
        reach = abs(first) / 2 or 1.0
        return Axis(first - reach, last + reach, (float(first),))
    return _inner_axis(first, last, nice_step((last - first) / target))


def _inner_axis(first: float, last: float, step: float) -> Axis:
    # Places are sums of floats: an end that is a tick but for rounding still gets its text.
    ticks = [index * step for index in range(math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9) + 1)]
    return Axis(float(first), float(last), tuple(min(max(tick, first), last) for tick in ticks))


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least about ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)


def smooth(values: Sequence[float | None], window: int) -> list[float | None]:
    """The mean of the measured neighbours in a centred window; a gap stays a gap."""
    half = window // 2
    result: list[float | None] = []
    for index, value in enumerate(values):
        near = [v for v in values[max(0, index - half) : index + half + 1] if v is not None]
        result.append(None if value is None else sum(near) / len(near))
    return result


def smoothing_window(count: int) -> int:
    """An odd window of about a twentieth of the curve; 0 when the curve is too short to need one."""
    return 0 if count < 30 else min(51, max(5, count // 20) | 1)


def strokes(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Split at gaps, and keep of each bucket of a long stroke its lowest and highest point, so every spike survives."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    size = math.ceil(2 * len(points) / MAX_PATH_POINTS)
    return [_extremes(part, size) if size > 2 else part for part in parts if part]


def condense(stroke: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A stroke without gaps, thinned as ``strokes`` does."""
    return strokes(stroke)[0]


def _extremes(part: list[tuple[float, float]], size: int) -> list[tuple[float, float]]:
    kept = [part[0]]
    for start in range(0, len(part), size):
        bucket = part[start : start + size]
        pair = {min(bucket, key=lambda point: point[1]), max(bucket, key=lambda point: point[1])}
        kept.extend(sorted(pair))
    return list(dict.fromkeys([*kept, part[-1]]))


def thin(places: Sequence[float], limit: int) -> list[float]:
    """At most about ``limit`` of the places, evenly, the first and the last always among them."""
    stride = max(1, math.ceil(len(places) / limit))
    return sorted({*places[::stride], *places[-1:]})
