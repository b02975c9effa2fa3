"""One score against one setting, a line a method: where everything stands, whatever draws it."""

import math
from dataclasses import dataclass

from spro.lab.oracle.score import Z95, Estimate
from spro.report import MINUS, Axis, value_axis

LOG_FLOOR = 0.01
"""Lower end of a logarithmic axis: what is smaller is drawn there."""
TEXT_SHARE = 0.088
"""Of the horizontal axis: the room that the text of a place takes."""
DENSE_DECADES = 4
"""A logarithmic axis over more powers of ten has ticks at these alone."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One method.

    Attributes:
        method: its name, also its class in the page.
        color: of stroke and dots, as SVG and matplotlib read it.
        dash: lengths of strokes and gaps in pixels; empty for an unbroken line.
        estimates: one for each place along the axis.
        is_shown: in images, and in the page when it opens.
    """

    method: str
    color: str
    dash: tuple[float, ...]
    estimates: tuple[Estimate, ...]
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Across:
    """A horizontal axis.

    Attributes:
        column: its name in tables, that of ``scores.jsonl``.
        title: what it counts.
        unit: in what; empty if it needs none.
        places: numbers at which the methods were scored, at least one; shown as ticks.
        spacing: where each place stands; any scale.
    """

    column: str
    title: str
    unit: str
    places: tuple[float, ...]
    spacing: tuple[float, ...]

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def shares(self) -> tuple[float, ...]:
        """Where each place lies: 0 at the left end, 1 at the right end; one that is alone stands in the middle."""
        first, last = min(self.spacing), max(self.spacing)
        return tuple(0.5 if first == last else (at - first) / (last - first) for at in self.spacing)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Share and text of the places, without those whose text would run into the one before."""
        kept: list[tuple[float, str]] = []
        for share, place in zip(self.shares, self.places, strict=True):
            if not kept or share - kept[-1][0] >= TEXT_SHARE:
                kept.append((share, place_text(place)))
        return tuple(kept)


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure.

    A height is a place on its vertical axis: the value, or its decimal logarithm.

    Attributes:
        name: of its files, and of its place in the page.
        title: the score.
        note: what else must be known of it, if anything.
        across: the horizontal axis.
        curves: one a method.
        is_log: the vertical axis is logarithmic.
    """

    name: str
    title: str
    note: str
    across: Across
    curves: tuple[Curve, ...]
    is_log: bool = False

    @property
    def up(self) -> Axis:
        """The vertical axis, in heights: around all dots and whiskers of all methods."""
        estimates = [estimate for curve in self.curves for estimate in curve.estimates]
        heights = [height for estimate in estimates if (height := self.height(estimate)) is not None]
        heights += [end for estimate in estimates for end in self.whisker(estimate)]
        if not heights:
            return Axis(0.0, 1.0, (0.0, 1.0))
        return _log_axis(min(heights), max(heights)) if self.is_log else value_axis(heights, target=5)

    def up_text(self, tick: float) -> str:
        """What stands beside a tick of the vertical axis: a plain number in either case."""
        return f"{10**tick if self.is_log else tick:g}".replace("-", MINUS)

    def height(self, estimate: Estimate) -> float | None:
        """Where the dot of an estimate stands, if it has one."""
        value = drawn_value(estimate)
        return None if value is None else self._height(value)

    def whisker(self, estimate: Estimate) -> tuple[float, ...]:
        """Heights of the ends of the interval, if there is one."""
        ends = interval(estimate)
        if ends is None or estimate.value is None:
            return ()
        low, high = ends
        # It may reach below 0, where no logarithm is: a tenth of the value shows that it is long.
        return self._height(max(low, estimate.value / 10) if self.is_log else low), self._height(high)

    def _height(self, value: float) -> float:
        return math.log10(max(value, LOG_FLOOR)) if self.is_log else value


def drawn_value(estimate: Estimate) -> float | None:
    """The number at which a dot stands: of a bias that may as well be 0 its floor, which is a bound."""
    return estimate.floor if estimate.is_floored else estimate.value


def interval(estimate: Estimate) -> tuple[float, float] | None:
    """The ends of the 95 % interval; None of what has no error, as a bound."""
    if estimate.value is None or estimate.error is None or estimate.is_floored:
        return None
    reach = Z95 * estimate.error
    return estimate.value - reach, estimate.value + reach


def place_text(place: float) -> str:
    """A place along the axis, for the eye."""
    return f"{round(place, 2):g}"


def _log_axis(lowest: float, highest: float) -> Axis:
    """From the last tick at or below to the first at or above; ticks are 1, 2 and 5 times powers of ten."""
    first, last = math.floor(lowest), math.ceil(highest)
    last = max(last, first + 1)
    factors = (1, 2, 5) if last - first <= DENSE_DECADES else (1,)
    steps = [power + math.log10(factor) for power in range(first, last) for factor in factors] + [float(last)]
    low = max(step for step in steps if step <= lowest + 1e-9)
    high = min((step for step in steps if step >= highest - 1e-9 and step > low), default=float(last))
    return Axis(low, high, tuple(step for step in steps if low - 1e-9 <= step <= high + 1e-9))
