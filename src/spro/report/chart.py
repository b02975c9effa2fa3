"""One figure: a legend, a plot, and its numbers as a table.

The plot has no fixed width. Curves live in a nested SVG that stretches (strokes do not), while text and markers are
placed by percent and stay their size, so one drawing reads well on a phone and on a wide screen without a script.
The table is also what the script reads for its tooltips: what is seen is what is tabled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spro.report.run import Series
from spro.report.scale import Axis, smooth, step_axis, strokes, thin, value_axis
from spro.report.text import NBSP, exact, percent, safe, short, tag

TABLE_ROWS = 400
MARKED_ROWS = 200
TOP = 10
BOTTOM = 26
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        label: its name in the legend and in the table.
        key: the metric it shows.
        look: which colour and dash, 0 to 4 (``style.css``).
        marked: a dot at each point: measured now and then, not every step.
        half_widths: by step, half of the interval around the point.
    """

    label: str
    key: str
    series: Series
    look: int
    marked: bool = False
    half_widths: Mapping[int, float] = field(default_factory=dict)

    def interval(self, step: int, value: float, ceiling: float | None) -> tuple[float, float] | None:
        """The interval at ``step``; a share stays within 0 and 1."""
        half = self.half_widths.get(step)
        if half is None:
            return None
        low, high = value - half, value + half
        return (low, high) if ceiling is None else (max(0.0, low), min(ceiling, high))


@dataclass(frozen=True, slots=True)
class Frame:
    """What all figures of a page share, so that one cursor can run through them.

    Attributes:
        steps: the first and the last step of the run.
        window: over how many neighbouring steps the thick line averages; 0 for none. The raw values stay visible.
    """

    steps: tuple[int, int]
    window: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What a figure shows.

    Attributes:
        name: unique on the page, letters only.
        unit: what is counted, in a few words.
        lines: each with at least one measured point.
        height: of the plot, in pixels.
        share: values are shares of 1, shown in percent.
    """

    name: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    frame: Frame
    height: int = 170
    share: bool = False

    @property
    def ceiling(self) -> float | None:
        """The value that cannot be exceeded, if there is one."""
        return 1.0 if self.share else None

    @property
    def show(self) -> Callable[[float], str]:
        """How a value of this figure is written."""
        return percent if self.share else short


def render_chart(chart: Chart) -> str:
    """The figure as markup."""
    across = step_axis(*chart.frame.steps, target=6 if chart.height > 200 else 4)
    up = value_axis(_extent(chart), target=4 if chart.height > 120 else 2, ceiling=chart.ceiling)
    heading = tag("h3", safe(chart.title)) + tag("p", safe(chart.unit), class_="unit")
    legend = tag("ul", "".join(_legend_entry(chart, line) for line in chart.lines), class_="legend")
    return tag(
        "figure",
        tag("figcaption", heading + legend) + _plot(chart, across, up) + _table(chart),
        class_="chart",
        id=f"chart-{chart.name}",
        data_low=exact(up.low),
        data_high=exact(up.high),
        data_first=exact(across.low),
        data_last=exact(across.high),
        data_top=TOP,
        data_height=chart.height,
        data_share=chart.share,
    )


def _extent(chart: Chart) -> list[float]:
    values: list[float] = []
    for line in chart.lines:
        for step, value in line.series.points:
            values.extend((value, *(line.interval(step, value, chart.ceiling) or ())))
    return values


def _legend_entry(chart: Chart, line: Line) -> str:
    marker = tag("circle", cx=14, cy=6, r=3.5, class_=f"dot look{line.look}") if line.marked else ""
    stroke = tag("line", x1=1, x2=27, y1=6, y2=6, class_=f"line {_kind(line)} look{line.look}")
    sample = tag("svg", stroke + marker, width=28, height=12, aria_hidden="true")
    last = tag("b", safe(chart.show(line.series.points[-1][1])))
    return tag("li", f"{sample} {safe(line.label)} {last}")


def _plot(chart: Chart, across: Axis, up: Axis) -> str:
    title_id, description_id = f"{chart.name}-title", f"{chart.name}-description"
    parts = [
        tag("title", safe(f"{chart.title} by step"), id=title_id),
        tag("desc", safe(_describe(chart)), id=description_id),
        _grid(chart, across, up),
        tag(
            "svg",
            "".join(_curve(chart, line, across, up) for line in chart.lines),
            viewBox=f"0 0 {WIDTH} {chart.height}",
            preserveAspectRatio="none",
            x=0,
            y=TOP,
            width="100%",
            height=chart.height,
            overflow="visible",
        ),
        "".join(_markers(chart, line, across, up) for line in chart.lines if line.marked),
    ]
    return tag(
        "svg",
        "".join(parts),
        class_="plot",
        role="img",
        tabindex=0,
        aria_labelledby=f"{title_id} {description_id}",
        height=TOP + chart.height + BOTTOM,
    )


def _describe(chart: Chart) -> str:
    sentences = []
    for line in chart.lines:
        (first, start), (last, end) = line.series.points[0], line.series.points[-1]
        sentences.append(f"{line.label}: {chart.show(start)} at step {first}, {chart.show(end)} at step {last}.")
    return " ".join([*sentences, "The table below has all values."])


def _grid(chart: Chart, across: Axis, up: Axis) -> str:
    below = TOP + chart.height + 18
    parts = [tag("text", "step", x=-8, y=below, class_="tick up")]
    for tick in up.ticks:
        y = _down(chart, up, tick) + TOP
        parts.append(tag("line", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        parts.append(tag("text", safe(_tick_text(tick, up, chart.share)), x=-8, y=f"{y + 4:.1f}", class_="tick up"))
    for tick in across.ticks:
        share = across.share(tick)
        edge = " start" if share < 0.02 else " end" if share > 0.98 else ""
        x = f"{100 * share:.2f}%"
        parts.append(tag("text", f"{tick:,.0f}", x=x, y=below, class_=f"tick{edge}"))
    return tag("g", "".join(parts), aria_hidden="true")


def _tick_text(tick: float, axis: Axis, share: bool) -> str:
    if share:
        return f"{100 * tick:.6g}{NBSP}%"
    gap = axis.ticks[1] - axis.ticks[0]
    if abs(tick) < gap * 1e-6:
        return "0"
    if gap >= 1000 and all(abs(other) % 100 < 1e-6 for other in axis.ticks):
        return f"{tick / 1000:,.6g}k".replace("-", "\u2212")
    return format(tick, ",.6g" if gap >= 1e-4 else ".3g").replace("-", "\u2212")


def _down(chart: Chart, up: Axis, value: float) -> float:
    return chart.height * (1 - up.share(value))


def _curve(chart: Chart, line: Line, across: Axis, up: Axis) -> str:
    def path(points: list[tuple[float, float | None]], kind: str) -> str:
        placed = [(WIDTH * across.share(x), None if y is None else _down(chart, up, y)) for x, y in points]
        return tag("path", d=_path(placed), class_=f"line {kind} look{line.look}")

    steps = [float(step) for step in line.series.steps]
    raw = list(zip(steps, line.series.values, strict=True))
    band = _band(chart, line, across, up)
    if line.marked or not chart.frame.window:
        return band + path(raw, _kind(line))
    return path(raw, "faint") + path(
        list(zip(steps, smooth(line.series.values, chart.frame.window), strict=True)), "strong"
    )


def _kind(line: Line) -> str:
    return "strong marked" if line.marked else "strong"


def _path(points: list[tuple[float, float | None]]) -> str:
    pieces = []
    for stroke in strokes(points):
        # A lone point is a line of no length: round caps make it a dot.
        stroke = stroke if len(stroke) > 1 else stroke * 2
        pieces.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in stroke))
    return "".join(pieces)


def _band(chart: Chart, line: Line, across: Axis, up: Axis) -> str:
    lows: list[tuple[float, float]] = []
    highs: list[tuple[float, float]] = []
    for step, value in line.series.points:
        interval = line.interval(step, value, chart.ceiling)
        if interval:
            x = WIDTH * across.share(step)
            lows.append((x, _down(chart, up, interval[0])))
            highs.append((x, _down(chart, up, interval[1])))
    if not lows:
        return ""
    outline = "L".join(f"{x:.1f} {y:.1f}" for x, y in [*lows, *reversed(highs)])
    # A single interval has no area; its outline still shows as a whisker.
    kind = "band" if len(lows) > 1 else "line whisker"
    return tag("path", d=f"M{outline}Z", class_=f"{kind} look{line.look}")


def _markers(chart: Chart, line: Line, across: Axis, up: Axis) -> str:
    dots = []
    points = line.series.points
    kept = set(thin([step for step, _ in points], MARKED_ROWS))
    for step, value in points:
        if step not in kept:
            continue
        text = f"{line.label}, step {step}: {chart.show(value)}"
        interval = line.interval(step, value, chart.ceiling)
        if interval:
            text += f" (95{NBSP}% interval {chart.show(interval[0])} to {chart.show(interval[1])})"
        x, y = f"{100 * across.share(step):.2f}%", f"{_down(chart, up, value) + TOP:.1f}"
        dots.append(tag("circle", tag("title", safe(text)), cx=x, cy=y, r=3.5, class_=f"dot look{line.look}"))
    return "".join(dots)


def _table(chart: Chart) -> str:
    steps = sorted({step for line in chart.lines for step in line.series.steps})
    marked = {step for line in chart.lines if line.marked for step in thin(line.series.steps, MARKED_ROWS)}
    kept = sorted({*thin(steps, TABLE_ROWS), *marked})
    heads = [tag("th", "step", scope="col")]
    columns: list[Mapping[int, str]] = []
    for line in chart.lines:
        heads.append(tag("th", safe(line.label), scope="col", data_look=line.look, data_key=line.key))
        columns.append({s: exact(v) for s, v in zip(line.series.steps, line.series.values, strict=True)})
        if line.half_widths:
            heads.append(tag("th", safe(f"{line.label}, 95 % interval"), scope="col"))
            spans = {s: line.interval(s, v, chart.ceiling) for s, v in line.series.points}
            columns.append({s: f"{exact(i[0])} to {exact(i[1])}" for s, i in spans.items() if i})
    rows = "".join(
        tag("tr", tag("th", str(step), scope="row") + "".join(tag("td", safe(c.get(step, ""))) for c in columns))
        for step in kept
    )
    left_out = len(steps) - len(kept)
    caption = f"{chart.title} by step" + (f"; {left_out:,} steps between are in metrics.jsonl" if left_out else "")
    table = tag("table", tag("caption", safe(caption)) + tag("thead", tag("tr", "".join(heads))) + tag("tbody", rows))
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{chart.title}, values")
    return tag("details", tag("summary", "Values") + scroll)
