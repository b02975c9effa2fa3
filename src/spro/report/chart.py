"""One figure: a legend, a plot, and its numbers as a table.

The plot has no fixed width. Curves live in a nested SVG that stretches (strokes do not), while text and markers are
placed by percent and stay their size, so one drawing reads well on a phone and on a wide screen without a script.
The table is also what the script reads for its tooltips: what is seen is what is tabled.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from spro.report.looks import LOOKS
from spro.report.scale import Axis, condense, place_axis, smooth, step_axis, strokes, thin, value_axis
from spro.report.series import Series
from spro.report.text import MINUS, NBSP, exact, percent, place_text, precise, safe, short, tag, tick_text

__all__ = ["Chart", "Frame", "Line", "Series", "render_chart"]

TABLE_ROWS = 400
MARKED_ROWS = 200
TOP = 10
BOTTOM = 26
NAME_HEIGHT = 22
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        label: its name in the legend and in the table.
        key: the metric it shows.
        look: which color, dash and mark, 0 to 7 (``looks.py``).
        marked: a mark at each point: measured now and then, not every step.
        spans: by place, the low and the high end of the 95 % interval around the point.
    """

    label: str
    key: str
    series: Series
    look: int
    marked: bool = False
    spans: Mapping[float, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """What figures share, so that one cursor can run through all that have the same axis.

    Attributes:
        extent: the first and the last place.
        window: over how many neighbouring places the thick line averages; 0 for none. The raw values stay visible.
        across: what the places count, with its unit behind a comma: ``step``, ``hours``, ``tokens, millions``. Steps
            are whole numbers.
        source: the file that has all values, for a table that leaves some out.
    """

    extent: tuple[float, float]
    window: int
    across: str = "step"
    source: str = "metrics.jsonl"

    @property
    def counted(self) -> str:
        """What the places count, without its unit."""
        return self.across.partition(",")[0]

    def axis(self, target: int) -> Axis:
        """The horizontal axis, with about ``target`` intervals between whole steps and fewer elsewhere."""
        if self.across == "step":
            return step_axis(*self.extent, target)
        # A narrow page has room for few of the longer texts: 1.5e15.
        return place_axis(*self.extent, 3 if max(map(abs, self.extent)) >= 1e12 else 4)

    def tick(self, place: float, axis: Axis) -> str:
        """A number beside the horizontal axis."""
        return f"{place:,.0f}" if self.across == "step" else tick_text(place, axis.ticks)

    def at(self, place: float) -> str:
        """``step 1,200``, ``tokens 12.3 millions``."""
        name, _, unit = self.across.partition(",")
        return f"{name} {place_text(place)}{unit}"


@dataclass(frozen=True, slots=True)
class Chart:
    """What a figure shows.

    Attributes:
        name: unique on the page, letters and hyphens only.
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

    @property
    def across(self) -> Axis:
        """The horizontal axis."""
        return self.frame.axis(target=6 if self.height > 200 else 4)

    @property
    def up(self) -> Axis:
        """The vertical axis: it holds every point and every interval."""
        values = [value for line in self.lines for _, value in line.series.points]
        ends = [end for line in self.lines for span in line.spans.values() for end in span]
        return value_axis([*values, *ends], target=4 if self.height > 120 else 2, ceiling=self.ceiling)

    def up_text(self, tick: float, axis: Axis) -> str:
        """A number beside the vertical axis."""
        return f"{100 * tick:.6g}{NBSP}%".replace("-", MINUS) if self.share else tick_text(tick, axis.ticks)


def render_chart(chart: Chart) -> str:
    """The figure as markup."""
    across, up = chart.across, chart.up
    heading = tag("h3", safe(chart.title)) + tag("p", safe(chart.unit), class_="unit")
    legend = tag("ul", "".join(_legend_entry(chart, line) for line in chart.lines), class_="legend")
    return tag(
        "figure",
        tag("figcaption", heading + legend) + _plot(chart, across, up) + _table(chart),
        class_="chart",
        id=f"chart-{chart.name}",
        data_across=chart.frame.across,
        data_low=precise(up.low),
        data_high=precise(up.high),
        data_first=precise(across.low),
        data_last=precise(across.high),
        data_top=TOP,
        data_height=chart.height,
        data_share=chart.share,
    )


def _legend_entry(chart: Chart, line: Line) -> str:
    shape = tag("path", d=LOOKS[line.look].outline, class_=f"dot look{line.look}")
    mark = tag("svg", shape, x=14, y=6, overflow="visible")
    stroke = tag("line", x1=1, x2=27, y1=6, y2=6, class_=f"line {_kind(line)} look{line.look}")
    sample = tag("svg", stroke + (mark if line.marked else ""), width=28, height=12, aria_hidden="true")
    last = tag("b", safe(chart.show(line.series.points[-1][1])))
    return tag("li", f"{sample} {safe(line.label)} {last}")


def _plot(chart: Chart, across: Axis, up: Axis) -> str:
    title_id, description_id = f"{chart.name}-title", f"{chart.name}-description"
    # A line must not vanish under the band of another one.
    curves = "".join(_band(chart, line, across, up) for line in chart.lines)
    curves += "".join(_curve(chart, line, across, up) for line in chart.lines)
    parts = [
        tag("title", safe(f"{chart.title} by {chart.frame.counted}"), id=title_id),
        tag("desc", safe(_describe(chart)), id=description_id),
        _grid(chart, across, up),
        tag(
            "svg",
            curves,
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
        height=TOP + chart.height + BOTTOM + (0 if chart.frame.across == "step" else NAME_HEIGHT),
    )


def _describe(chart: Chart) -> str:
    sentences = []
    for line in chart.lines:
        (first, start), (last, end) = line.series.points[0], line.series.points[-1]
        sentences.append(
            f"{line.label}: {chart.show(start)} at {chart.frame.at(first)}, {chart.show(end)} at "
            f"{chart.frame.at(last)}."
        )
    return " ".join([*sentences, "The table below has all values."])


def _grid(chart: Chart, across: Axis, up: Axis) -> str:
    below = TOP + chart.height + 18
    parts = []
    if chart.frame.across == "step":
        parts.append(tag("text", "step", x=-8, y=below, class_="tick up"))
    else:
        parts.append(tag("text", safe(chart.frame.across), x="50%", y=below + NAME_HEIGHT - 2, class_="tick"))
    for tick in up.ticks:
        y = _down(chart, up, tick) + TOP
        parts.append(tag("line", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        parts.append(tag("text", safe(chart.up_text(tick, up)), x=-8, y=f"{y + 4:.1f}", class_="tick up"))
    for tick in across.ticks:
        share = across.share(tick)
        edge = " start" if share < 0.02 else " end" if share > 0.98 else ""
        parts.append(
            tag("text", safe(chart.frame.tick(tick, across)), x=f"{100 * share:.2f}%", y=below, class_=f"tick{edge}")
        )
    return tag("g", "".join(parts), aria_hidden="true")


def _down(chart: Chart, up: Axis, value: float) -> float:
    return chart.height * (1 - up.share(value))


def _curve(chart: Chart, line: Line, across: Axis, up: Axis) -> str:
    def path(values: Sequence[float | None], kind: str) -> str:
        placed = [
            (WIDTH * across.share(x), None if y is None else _down(chart, up, y))
            for x, y in zip(line.series.places, values, strict=True)
        ]
        return tag("path", d=_path(placed), class_=f"line {kind} look{line.look}")

    values = line.series.values
    if line.marked or not chart.frame.window:
        return path(values, _kind(line))
    return path(values, "faint") + path(smooth(values, chart.frame.window), "strong")


def _kind(line: Line) -> str:
    return "strong marked" if line.marked else "strong"


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    pieces = []
    for stroke in strokes(points):
        # A lone point is a line of no length: round caps make it a dot.
        stroke = stroke if len(stroke) > 1 else stroke * 2
        pieces.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in stroke))
    return "".join(pieces)


def _band(chart: Chart, line: Line, across: Axis, up: Axis) -> str:
    paths = []
    for spans in banded(line):
        edges = [[(WIDTH * across.share(x), _down(chart, up, span[end])) for x, span in spans] for end in (0, 1)]
        low, high = (condense(edge) for edge in edges)
        outline = "L".join(f"{x:.1f} {y:.1f}" for x, y in [*low, *reversed(high)])
        if len(spans) == 1:
            # A single interval has no area; its outline still shows as a whisker.
            paths.append(tag("path", d=f"M{outline}Z", class_=f"line whisker look{line.look}"))
            continue
        paths.append(tag("path", d=f"M{outline}Z", class_=f"band look{line.look}"))
        # Where bands overlap their shades mix; the edges still tell them apart.
        paths.append(tag("path", d=_path(low) + _path(high), class_=f"line edge look{line.look}"))
    return "".join(paths)


def banded(line: Line) -> Iterator[list[tuple[float, tuple[float, float]]]]:
    """The intervals of a line in runs that a gap of the line ends."""
    run: list[tuple[float, tuple[float, float]]] = []
    for place, value in zip(line.series.places, line.series.values, strict=True):
        if value is not None and place in line.spans:
            run.append((place, line.spans[place]))
        elif value is None and run:
            yield run
            run = []
    if run:
        yield run


def _markers(chart: Chart, line: Line, across: Axis, up: Axis) -> str:
    marks = []
    points = line.series.points
    kept = set(thin([place for place, _ in points], MARKED_ROWS))
    for place, value in points:
        if place not in kept:
            continue
        text = f"{line.label}, {chart.frame.at(place)}: {chart.show(value)}"
        if place in line.spans:
            low, high = map(chart.show, line.spans[place])
            text += f" (95{NBSP}% interval {low} to {high})"
        shape = tag("path", tag("title", safe(text)), d=LOOKS[line.look].outline, class_=f"dot look{line.look}")
        x, y = f"{100 * across.share(place):.2f}%", f"{_down(chart, up, value) + TOP:.1f}"
        marks.append(tag("svg", shape, x=x, y=y, overflow="visible"))
    return "".join(marks)


def _table(chart: Chart) -> str:
    places = sorted({place for line in chart.lines for place in line.series.places})
    marked = {place for line in chart.lines if line.marked for place in thin(line.series.places, MARKED_ROWS)}
    kept = sorted({*thin(places, TABLE_ROWS), *marked})
    heads = [tag("th", safe(chart.frame.across), scope="col")]
    columns: list[Mapping[float, str]] = []
    for line in chart.lines:
        heads.append(tag("th", safe(line.label), scope="col", data_look=line.look, data_key=line.key))
        columns.append({p: exact(v) for p, v in zip(line.series.places, line.series.values, strict=True)})
        if line.spans:
            heads.append(tag("th", safe(f"{line.label}, 95 % interval"), scope="col"))
            columns.append({p: f"{exact(low)} to {exact(high)}" for p, (low, high) in line.spans.items()})
    rows = "".join(
        tag("tr", tag("th", precise(p), scope="row") + "".join(tag("td", safe(c.get(p, ""))) for c in columns))
        for p in kept
    )
    left_out, frame = len(places) - len(kept), chart.frame
    caption = f"{chart.title} by {frame.counted}"
    if left_out:
        counted = "steps" if frame.across == "step" else "places"
        caption += f"; {left_out:,} {counted} between are in {frame.source}"
    table = tag("table", tag("caption", safe(caption)) + tag("thead", tag("tr", "".join(heads))) + tag("tbody", rows))
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{chart.title}, values")
    return tag("details", tag("summary", "Values") + scroll)
