"""The final result in one look: per method a dot with its whisker, and beside it what it differs by from the baseline.

One drawing for every width, as in ``chart``: marks and text stay their size, and places are percents. A method's name
stands above its whiskers, so that a long one takes no room from them. On a narrow page the panels stand one below the
other; each has the names, of which a wide page shows the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spro.report.looks import LOOKS
from spro.report.scale import Axis, value_axis
from spro.report.text import safe, tag, tick_text

NAME, NUMBER, REACH, SEEDS, ROW = 18, 34, 48, 60, 76
"""Pixels below the upper edge of a row: of the name, the number, the whisker, the single seeds, and its lower edge."""
TOP, BOTTOM = 26, 26
"""Pixels: of the headings and of the ticks."""
CAP = 7
"""Pixels of a whisker's end, above and below it: more than a mark has, which may be wider than the interval."""
MARGIN = 2.0
"""Percent of a panel's width: at its sides, where half a mark needs room."""
TICKS = 4
MOST = 100.0
"""Percent."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """A number with its 95 % interval.

    Attributes:
        text: the three as they are read.
        seeds: runs behind the number.
    """

    value: float
    low: float
    high: float
    text: str
    seeds: int


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One method.

    Attributes:
        label: its name.
        look: as of its curves.
        final: what it came to, in percent; or in words why there is no such number.
        difference: from the baseline, in points; or what stands in its place, which may be empty.
        seeds: what the run of each came to, in percent; None for one without a result.
    """

    label: str
    look: int
    final: Whisker | str
    difference: Whisker | str
    seeds: Mapping[int, float | None]

    @property
    def count(self) -> str:
        """How many of the method's own seeds came to something, where these are not all.

        The difference may rest on fewer, those that the baseline came to something with too: its text says so.
        """
        done = sum(value is not None for value in self.seeds.values())
        return f"{done} of {len(self.seeds)} seeds" if 0 < done < len(self.seeds) else ""

    @property
    def dots(self) -> Mapping[int, float]:
        """What single seeds came to; of a lone seed the large dot says it."""
        return {seed: value for seed, value in self.seeds.items() if value is not None and len(self.seeds) > 1}


@dataclass(frozen=True, slots=True)
class Panel:
    """Whiskers on one axis.

    Attributes:
        heading: what they measure.
        axis: holds every end, every dot and, where they are differences, 0.
        cells: a whisker a row, or words.
        is_difference: a line stands at 0; counts and single seeds are the other panel's.
    """

    heading: str
    axis: Axis
    cells: tuple[Whisker | str, ...]
    is_difference: bool

    def x(self, value: float) -> str:
        """Where a value lies, in percent of the panel's width."""
        return f"{MARGIN + (100 - 2 * MARGIN) * self.axis.share(value):.2f}%"

    def count(self, row: ForestRow) -> str:
        """Beside the number: a difference says itself how many seeds it is of."""
        return "" if self.is_difference else row.count


@dataclass(frozen=True, slots=True)
class Forest:
    """What the figure shows.

    Attributes:
        name: unique on the page and among the files, letters and hyphens only.
        title: one line.
        note: how to read it.
        measure: what ``final`` is, in a word or two.
        rows: from top to bottom; at least one has a final number.
    """

    name: str
    title: str
    note: str
    measure: str
    rows: tuple[ForestRow, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """What the methods came to and, where any is held against the baseline, by how much they differ from it."""
        finals = tuple(row.final for row in self.rows)
        differences = tuple(row.difference for row in self.rows)
        dots = [value for row in self.rows for value in row.dots.values()]
        axis, ends = value_axis([*_ends(finals), *dots], TICKS, ceiling=MOST), _ends(differences)
        panel = Panel(self.measure, axis, finals, False)
        if not ends:
            return (panel,)
        return panel, Panel("difference, points", value_axis([0.0, *ends], TICKS), differences, True)


def _ends(cells: Sequence[Whisker | str]) -> list[float]:
    return [end for one in cells if isinstance(one, Whisker) for end in (one.low, one.value, one.high)]


def render_forest(forest: Forest) -> str:
    """The figure as markup."""
    heading = tag("h3", safe(forest.title)) + tag("p", safe(forest.note), class_="unit")
    panels = tag("div", "".join(_panel(forest, panel) for panel in forest.panels), class_="panels")
    return tag("figure", tag("figcaption", heading) + panels, class_="forest", id=f"forest-{forest.name}")


def _panel(forest: Forest, panel: Panel) -> str:
    name = f"forest-{forest.name}-{'difference' if panel.is_difference else 'result'}"
    title_id, description_id = f"{name}-title", f"{name}-description"
    title = f"{forest.title}: {panel.heading}" if panel.is_difference else forest.title
    parts = [
        tag("title", safe(title), id=title_id),
        tag("desc", safe(_describe(forest, panel)), id=description_id),
        _grid(panel),
        *(_row(row, panel, index) for index, row in enumerate(forest.rows)),
    ]
    return tag(
        "svg",
        "".join(parts),
        class_="field",
        role="img",
        aria_labelledby=f"{title_id} {description_id}",
        height=TOP + ROW * len(forest.rows) + BOTTOM,
    )


def _describe(forest: Forest, panel: Panel) -> str:
    sentences = []
    for row, cell in zip(forest.rows, panel.cells, strict=True):
        said = [part for part in (_words(cell), panel.count(row)) if part]
        sentences += [f"{row.label}: {', '.join(said)}."] if said else []
    return " ".join(sentences)


def _words(cell: Whisker | str) -> str:
    return cell if isinstance(cell, str) else cell.text


def _grid(panel: Panel) -> str:
    axis, floor = panel.axis, TOP + ROW * len(panel.cells)
    parts = [tag("text", safe(panel.heading), x=panel.x(axis.low), y=14, class_="heading")]
    for tick in axis.ticks:
        x, share = panel.x(tick), axis.share(tick)
        kind = "zero" if panel.is_difference and tick == 0 else "grid"
        parts.append(tag("line", x1=x, x2=x, y1=TOP, y2=floor, class_=kind))
        edge = " start" if share < 0.02 else " end" if share > 0.98 else ""
        parts.append(tag("text", safe(tick_text(tick, axis.ticks)), x=x, y=floor + 18, class_=f"tick{edge}"))
    return tag("g", "".join(parts), aria_hidden="true")


def _row(row: ForestRow, panel: Panel, index: int) -> str:
    top, left, cell = TOP + ROW * index, panel.x(panel.axis.low), panel.cells[index]
    # A narrow page may cut a long name, which is told whole where a pointer rests on it.
    parts = [tag("title", safe(row.label)), tag("text", safe(row.label), x=left, y=top + NAME, class_="name")]
    if number := _words(cell):
        count = tag("tspan", safe(f" {panel.count(row)}"), dx=4, class_="count") if panel.count(row) else ""
        parts.append(tag("text", safe(number) + count, x=left, y=top + NUMBER, class_="number"))
    if isinstance(cell, Whisker):
        parts.append(_whisker(cell, row, panel, top + REACH))
    for seed, value in () if panel.is_difference else row.dots.items():
        told, x = tag("title", safe(f"{row.label}, seed {seed}: {value:.1f}")), panel.x(value)
        parts.append(tag("circle", told, cx=x, cy=top + SEEDS, r=2.5, class_=f"dot seed look{row.look}"))
    return tag("g", "".join(parts), aria_hidden="true")


def _whisker(whisker: Whisker, row: ForestRow, panel: Panel, y: int) -> str:
    at, low, high = map(panel.x, (whisker.value, whisker.low, whisker.high))
    look = f"look{row.look}"
    lines = tag("line", x1=low, x2=high, y1=y, y2=y, class_=f"line reach {look}")
    for x in (low, high):
        lines += tag("line", x1=x, x2=x, y1=y - CAP, y2=y + CAP, class_=f"line reach cap {look}")
    told = tag("title", safe(f"{row.label}: {whisker.text}"))
    shape = tag("path", told, d=LOOKS[row.look].outline, class_=f"dot {look}")
    return lines + tag("svg", shape, x=at, y=y, overflow="visible")
