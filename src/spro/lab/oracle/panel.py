"""One score against one setting, a line a method: where everything stands, whatever draws it."""

import math
from dataclasses import dataclass
from itertools import chain

from spro.lab.oracle.score import Z95, Estimate
from spro.report import MINUS, Axis, value_axis

LOG_FLOOR = 1e-6
"""No logarithmic axis reaches below it: 0 has no logarithm, and a bias of 1e-8 is the root of mere rounding.

What is smaller is drawn there, beside a tick that says so.
"""
INSET = 0.034
"""Share of the horizontal axis beyond the places at its ends."""
LETTER_SHARE = 0.022
"""Of the horizontal axis: the room of a letter; one stays free between the texts of two places."""
MOST_DECIMALS = 6
"""Of the text of a place; where they cannot tell places apart, significant digits are counted: 1e-09."""
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
        places: numbers at which the methods were scored, at least one, each once; shown as ticks.
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
        for share, text in zip(self.shares, self.texts, strict=True):
            if kept:
                before, its_text = kept[-1]
                if share - before < LETTER_SHARE * ((len(its_text) + len(text)) / 2 + 1):
                    continue
            kept.append((share, text))
        return tuple(kept)

    @property
    def texts(self) -> tuple[str, ...]:
        """The places for the eye, with as many decimals, two at least, as tell each from the others and from 0."""
        rounded = (tuple(f"{round(at, count):.12g}" for at in self.places) for count in range(2, MOST_DECIMALS + 1))
        in_full = (tuple(f"{at:.{count}g}" for at in self.places) for count in range(3, 18))
        wanted = len({*self.places, 0.0})
        return next(texts for texts in chain(rounded, in_full) if len({*texts, "0"}) == wanted)


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
        limits: the least and the greatest value that the score can have.
    """

    name: str
    title: str
    note: str
    across: Across
    curves: tuple[Curve, ...]
    is_log: bool = False
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def heading(self) -> str:
        """Score and setting in a few words: the title of the figure, whatever draws it."""
        return f"{self.title} by {self.across.title}"

    @property
    def up(self) -> Axis:
        """The vertical axis, in heights: around all dots and whiskers of all methods."""
        estimates = [estimate for curve in self.curves for estimate in curve.estimates]
        heights = [height for estimate in estimates if (height := self.height(estimate)) is not None]
        heights += [end for estimate in estimates for end in self.whisker(estimate)]
        if not heights:
            return Axis(0.0, 1.0, (0.0, 1.0))
        if self.is_log:
            return _log_axis(min(heights), max(heights))
        return value_axis(heights, target=5, ceiling=self.limits[1])

    def up_text(self, tick: float) -> str:
        """What stands beside a tick of the vertical axis: a plain number in either case."""
        digits, _, power = (f"{10**tick:g}" if self.is_log else f"{tick:.9g}").partition("e")
        text = (f"{digits}e{int(power)}" if power else digits).replace("-", MINUS)
        return f"\u2264 {text}" if self.is_log and tick <= math.log10(LOG_FLOOR) else text

    def height(self, estimate: Estimate) -> float | None:
        """Where the dot of an estimate stands, if it has one."""
        value = drawn_value(estimate)
        return None if value is None else self._height(value)

    def interval(self, estimate: Estimate) -> tuple[float, float] | None:
        """The ends of the 95 % interval, within the limits of the score; None of what has no error, as a bound."""
        if estimate.value is None or estimate.error is None or estimate.is_floored:
            return None
        reach, (least, most) = Z95 * estimate.error, self.limits
        low, high = (min(max(end, least), most) for end in (estimate.value - reach, estimate.value + reach))
        return low, high

    def whisker(self, estimate: Estimate) -> tuple[float, ...]:
        """Heights of the ends of the interval, if there is one."""
        ends = self.interval(estimate)
        if ends is None or estimate.value is None:
            return ()
        low, high = ends
        # It may reach 0 and below, where no logarithm is: a tenth of the value shows that it is long.
        return self._height(estimate.value / 10 if self.is_log and low <= 0 else low), self._height(high)

    def _height(self, value: float) -> float:
        return math.log10(max(value, LOG_FLOOR)) if self.is_log else value


def drawn_value(estimate: Estimate) -> float | None:
    """The number at which a dot stands: of a bias that may as well be 0 its floor, which is a bound."""
    return estimate.floor if estimate.is_floored else estimate.value


def _log_axis(lowest: float, highest: float) -> Axis:
    """From the last tick at or below to the first at or above; ticks are 1, 2 and 5 times powers of ten."""
    first, last = math.floor(lowest), math.ceil(highest)
    factors = (1, 2, 5) if last - first <= DENSE_DECADES else (1,)
    # Each as the height of its number is computed, so that a dot at 0.2 stands on the tick 0.2.
    steps = [math.log10(float(f"{factor}e{power}")) for power in range(first, last + 1) for factor in factors]
    start = max(index for index, step in enumerate(steps) if step <= lowest)
    end = next(index for index, step in enumerate(steps) if step >= highest and index > start)
    return Axis(steps[start], steps[end], tuple(steps[start : end + 1]))
