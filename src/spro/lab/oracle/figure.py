"""One score against one setting, a line a method, as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spro.lab.oracle.score import Z95, Estimate
from spro.report import safe, short, tag, value_axis

WIDTH, HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 44
LOG_FLOOR = 0.01
"""Lower end of a logarithmic axis: what is smaller is drawn there."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One method.

    Attributes:
        method: its name, also its class in the page.
        color: of stroke and dots, as SVG reads it.
        dash: of the stroke; empty for an unbroken one.
        estimates: one for each place along the axis.
    """

    method: str
    color: str
    dash: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure.

    Attributes:
        title: the score.
        across: what the horizontal axis counts.
        places: numbers at which the methods were scored; shown as ticks.
        curves: one a method.
        is_log: the vertical axis is logarithmic.
        spacing: where each place stands; any scale.
    """

    title: str
    across: str
    places: tuple[float, ...]
    spacing: tuple[float, ...]
    curves: tuple[Curve, ...]
    is_log: bool = False


def render_panel(panel: Panel) -> str:
    """The figure as markup."""
    shown = [estimate for curve in panel.curves for e in curve.estimates for estimate in (e, *_interval(e))]
    heights = [_height(panel, estimate) for estimate in shown]
    low, high, ticks = _vertical_axis(panel, [height for height in heights if height is not None])
    scale = _Scale(panel, low, high)
    curves = "".join(_curve(panel, curve, scale) for curve in panel.curves)
    title = f"{panel.title} by {panel.across}"
    plot = tag(
        "svg",
        tag("title", safe(title)) + _grid(panel, scale, ticks) + curves,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_="panel",
        role="img",
    )
    return tag("figure", tag("figcaption", tag("h3", safe(panel.title))) + plot, class_="oracle-panel")


@dataclass(frozen=True, slots=True)
class _Scale:
    """From numbers to pixels."""

    panel: Panel
    low: float
    high: float

    def x(self, index: int) -> float:
        first, last = min(self.panel.spacing), max(self.panel.spacing)
        share = 0.5 if first == last else (self.panel.spacing[index] - first) / (last - first)
        return LEFT + 10 + share * (WIDTH - LEFT - RIGHT - 20)

    def y(self, height: float) -> float:
        share = (min(max(height, self.low), self.high) - self.low) / (self.high - self.low)
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _vertical_axis(panel: Panel, heights: Sequence[float]) -> tuple[float, float, tuple[float, ...]]:
    if not heights:
        return 0.0, 1.0, (0.0, 1.0)
    if not panel.is_log:
        axis = value_axis(heights, target=5)
        return axis.low, axis.high, axis.ticks
    first, last = math.floor(min(heights)), math.ceil(max(heights))
    last = max(last, first + 1)
    steps = [power + math.log10(factor) for power in range(first, last) for factor in (1, 2, 5)] + [float(last)]
    low = max(step for step in steps if step <= min(heights) + 1e-9)
    high = min((step for step in steps if step >= max(heights) - 1e-9 and step > low), default=float(last))
    return low, high, tuple(step for step in steps if low - 1e-9 <= step <= high + 1e-9)


def _height(panel: Panel, estimate: Estimate) -> float | None:
    """Where an estimate stands on the axis; a bias that may as well be 0 stands at its floor, as a bound."""
    value = estimate.floor if estimate.is_floored else estimate.value
    if value is None:
        return None
    return math.log10(max(value, LOG_FLOOR)) if panel.is_log else value


def _grid(panel: Panel, scale: _Scale, ticks: Sequence[float]) -> str:
    parts = []
    for tick in ticks:
        y = f"{scale.y(tick):.1f}"
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        text = f"{10**tick:.3g}" if panel.is_log else f"{tick:.3g}"
        parts.append(tag("text", safe(text), x=LEFT - 6, y=f"{scale.y(tick) + 4:.1f}", class_="tick up"))
    taken = -math.inf
    for index, place in enumerate(panel.places):
        x = scale.x(index)
        if x - taken >= 26:
            parts.append(tag("text", f"{round(place, 2):g}", x=f"{x:.1f}", y=HEIGHT - BOTTOM + 18, class_="tick"))
            taken = x
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", safe(panel.across), x=f"{middle:.1f}", y=HEIGHT - 6, class_="tick"))
    return tag("g", "".join(parts), aria_hidden="true")


def _curve(panel: Panel, curve: Curve, scale: _Scale) -> str:
    strokes: list[list[str]] = [[]]
    marks = []
    for index, estimate in enumerate(curve.estimates):
        height = _height(panel, estimate)
        if height is None:
            strokes.append([])
            continue
        x, y = f"{scale.x(index):.1f}", scale.y(height)
        strokes[-1].append(f"{x} {y:.1f}")
        marks.append(_whisker(panel, curve, estimate, x, scale) + _dot(panel, curve, index, x, y))
    lines = "".join(
        tag("path", d="M" + "L".join(stroke), fill="none", stroke=curve.color, stroke_dasharray=curve.dash or None)
        for stroke in strokes
        if len(stroke) > 1
    )
    return tag("g", lines + "".join(marks), class_=f"series m-{curve.method}")


def _dot(panel: Panel, curve: Curve, index: int, x: str, y: float) -> str:
    estimate = curve.estimates[index]
    value, floor = estimate.value or 0.0, estimate.floor or 0.0
    text = f"below {short(floor)}" if estimate.is_floored else short(value)
    if estimate.error is not None and not estimate.is_floored:
        text += f" \u00b1 {short(Z95 * estimate.error)}"
    title = tag("title", safe(f"{curve.method}, {panel.across} {round(panel.places[index], 2):g}: {text}"))
    fill = "var(--paper)" if estimate.is_floored else curve.color
    return tag("circle", title, cx=x, cy=f"{y:.1f}", r=3.2, fill=fill, stroke=curve.color)


def _whisker(panel: Panel, curve: Curve, estimate: Estimate, x: str, scale: _Scale) -> str:
    """The 95 % interval."""
    ends = [scale.y(_height(panel, end) or 0.0) for end in _interval(estimate)]
    if not ends:
        return ""
    return tag("line", x1=x, x2=x, y1=f"{ends[0]:.1f}", y2=f"{ends[1]:.1f}", stroke=curve.color)


def _interval(estimate: Estimate) -> tuple[Estimate, ...]:
    """The ends of the 95 % interval, if there is one; what is positive stays so, for the axes that are logarithmic."""
    if estimate.value is None or not estimate.error or estimate.is_floored:
        return ()
    reach = Z95 * estimate.error
    low = estimate.value - reach
    return Estimate(max(low, estimate.value / 10) if estimate.value > 0 else low), Estimate(estimate.value + reach)
