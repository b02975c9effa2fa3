"""The measures as pictures: a whisker for each number, and who contradicts whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spro.report.microscope_folder import Measure, Method, Microscope, Truth
from spro.report.microscope_strips import breakable
from spro.report.text import MINUS, NBSP, listed, percent, safe, tag
from spro.report.tokens import LEVELS

WIDTH, HEIGHT, MARGIN = 124, 22, 6
"""Of a whisker, in pixels."""


@dataclass(frozen=True)
class Axis:
    """Where whiskers are drawn; in the middle stands a method that knows nothing."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Halfway."""
        return (self.low + self.high) / 2

    def x(self, value: float) -> float:
        """In pixels."""
        share = (value - self.low) / (self.high - self.low)
        return MARGIN + (WIDTH - 2 * MARGIN) * min(max(share, 0.0), 1.0)


COLUMNS = {
    "pearson": "Correlation, over all tokens",
    "pearson_inside": "Correlation, inside responses",
    "sign": "Right sign",
    "sign_inside": "Right side of the mean",
}
"""Measure -> heading in words that need no glossary."""
INSIDE = "pearson_inside"
ENOUGH_GROUPS = 8
"""Below, an interval over groups is no ground for a sentence."""
ENDS = (0.1, 0.2, 0.5, 1.0)
"""Of the axis of correlations: the first that holds all intervals."""
SILENT = "silent"


def render_measures(microscope: Microscope) -> str:
    """The section "Who sees what is so?"; empty where there is no truth."""
    if not microscope.truths:
        return ""
    tables = "".join(_table(microscope, truth) for truth in microscope.truths)
    intro = tag(
        "p",
        "Each dot is a method, its line the 95 % interval over prompts; the thin rule is where a method stands that "
        "knows nothing. Methods are sorted by the first column. A dash: the number has no meaning, as the inside of a "
        "method that says the same of every token of a response.",
        class_="intro",
    )
    meanings = "".join(
        tag("dt", safe(name.replace("_", " "))) + tag("dd", safe(text)) for name, text in microscope.meanings.items()
    )
    glossary = tag("details", tag("summary", "What the columns say") + tag("dl", meanings, class_="meanings"))
    return tag(
        "section", tag("h2", "Who sees what is so?") + intro + tables + glossary + _numbers(microscope), id="measures"
    )


@dataclass(frozen=True)
class Whiskers:
    """What is drawn of one truth.

    Attributes:
        methods: those that go with it best first.
        measures: by method and name.
        axes: by the name of the measure.
    """

    methods: tuple[Method, ...]
    measures: Mapping[str, Mapping[str, Measure]]
    axes: Mapping[str, Axis]


def whiskers_of(microscope: Microscope, truth: Truth) -> Whiskers:
    """The measures against one truth, in the order of the page."""
    by_method: dict[str, dict[str, Measure]] = {method.name: {} for method in microscope.methods}
    for measure in microscope.measures:
        if measure.truth == truth.name:
            by_method.setdefault(measure.method, {})[measure.name] = measure
    ranked = sorted(microscope.methods, key=lambda method: -_rank(by_method[method.name]))
    return Whiskers(tuple(ranked), by_method, {name: _axis_of(name, by_method) for name in COLUMNS})


def _table(microscope: Microscope, truth: Truth) -> str:
    whiskers = whiskers_of(microscope, truth)
    ranked, by_method, axes = whiskers.methods, whiskers.measures, whiskers.axes
    heads = tag("th", "Method", scope="col") + "".join(
        tag("th", safe(heading) + _ends(axes[name]), scope="col", class_="wide") for name, heading in COLUMNS.items()
    )
    heads += tag("th", "Silent", scope="col")
    rows = "".join(_row(method, by_method[method.name], axes) for method in ranked)
    caption = tag("caption", tag("span", safe(f"Against the {truth.title}")))
    table = tag("table", caption + tag("thead", tag("tr", heads)) + tag("tbody", rows), class_="whiskers")
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"Against the {truth.title}")
    return scroll + tag("p", safe(_said(ranked, by_method)), class_="said")


def _said(methods: Sequence[Method], by_method: Mapping[str, Mapping[str, Measure]]) -> str:
    """The second column in words: who knows which token of a response it is."""
    groups = max((found[INSIDE].groups for found in by_method.values() if INSIDE in found), default=0)
    if groups < ENOUGH_GROUPS:
        return f"Inside responses: {groups} problems are too few to tell who goes with this truth; raise prompts."
    sees: list[str] = []
    misses: list[str] = []
    cannot: list[str] = []
    mute: list[str] = []
    for method in methods:
        found = by_method.get(method.name, {}).get(INSIDE)
        if found is None or found.value is None:
            mute.append(method.name)
        elif found.low is None or found.high is None or found.low <= 0 <= found.high:
            cannot.append(method.name)
        else:
            (sees if found.value > 0 else misses).append(method.name)
    parts = [
        f"{listed(sees)} {_does(sees, 'goes', 'go')} with this truth beyond chance" if sees else "",
        f"{listed(misses)} {_does(misses, 'goes', 'go')} against it" if misses else "",
        f"{listed(cannot)} cannot be told from chance" if cannot else "",
        f"{listed(mute)} {_does(mute, 'says', 'say')} the same of every token" if mute else "",
    ]
    return f"Inside responses: {'; '.join(part for part in parts if part)}."


def _does(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def _axis_of(name: str, by_method: Mapping[str, Mapping[str, Measure]]) -> Axis:
    if name.startswith("sign"):
        return Axis(0.0, 1.0)
    found = [of[one] for of in by_method.values() for one in ("pearson", INSIDE) if one in of]
    bounds = [abs(bound) for m in found for bound in (m.value, m.low, m.high) if bound is not None]
    end = next((end for end in ENDS if end >= max(bounds, default=0.0)), ENDS[-1])
    return Axis(-end, end)


def _rank(found: Mapping[str, Measure]) -> float:
    measure = found.get("pearson")
    return -2.0 if measure is None or measure.value is None else measure.value


def _row(method: Method, found: Mapping[str, Measure], axes: Mapping[str, Axis]) -> str:
    given = tag("span", safe(f"is given {method.given}"), class_="given") if method.given else ""
    cells = tag("th", breakable(method.name) + given, scope="row")
    cells += "".join(tag("td", _whisker(found.get(name), axis), class_="wide") for name, axis in axes.items())
    silent = found.get(SILENT)
    cells += tag("td", "\u2013" if silent is None or silent.value is None else safe(percent(silent.value)))
    return tag("tr", cells)


def _whisker(measure: Measure | None, axis: Axis) -> str:
    if measure is None or measure.value is None:
        return tag("span", "\u2013", class_="none")
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    side = "above" if measure.value >= axis.middle else "below"
    middle, at, begin, end = (format(axis.x(value), ".1f") for value in (axis.middle, measure.value, low, high))
    half = format(HEIGHT / 2, "g")
    shapes = (
        f'<line class="rule" x1="{middle}" x2="{middle}" y1="0" y2="{HEIGHT}"/>'
        f'<line class="reach {side}" x1="{begin}" x2="{end}" y1="{half}" y2="{half}"/>'
        f'<circle class="{side}" cx="{at}" cy="{half}" r="4.5"/>'
    )
    picture = tag("svg", shapes, width=WIDTH, height=HEIGHT, viewBox=f"0 0 {WIDTH} {HEIGHT}", aria_hidden="true")
    return picture + tag("span", safe(_number(measure.value, measure.name)), class_="number")


def _numbers(microscope: Microscope) -> str:
    """Every number with its interval, as text."""
    names = list(microscope.meanings)
    heads = "".join(tag("th", safe(name.replace("_", " ")), scope="col") for name in ("method", "truth", *names))
    found = {(m.method, m.truth, m.name): m for m in microscope.measures}
    rows = "".join(
        tag(
            "tr",
            tag("th", safe(method.name), scope="row")
            + tag("td", safe(truth.title))
            + "".join(tag("td", safe(_written(found.get((method.name, truth.name, name))))) for name in names),
        )
        for truth in microscope.truths
        for method in microscope.methods
    )
    table = tag("table", tag("thead", tag("tr", heads)) + tag("tbody", rows))
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="All numbers")
    return tag("details", tag("summary", "All numbers, with intervals") + scroll)


def _written(measure: Measure | None) -> str:
    if measure is None or measure.value is None:
        return "\u2013"
    value = _number(measure.value, measure.name)
    if measure.low is None or measure.high is None:
        return value
    return f"{value} ({_number(measure.low, measure.name)} to {_number(measure.high, measure.name)})"


def _number(value: float, name: str) -> str:
    """A share in percent, a correlation with two digits."""
    if name.startswith("sign") or name == SILENT:
        return percent(value)
    return f"{'+' if value > 0.005 else MINUS if value < -0.005 else ''}{abs(value):.2f}"


def _ends(axis: Axis) -> str:
    """Ends and middle of the axis, above its whiskers."""
    ends = ("0", "50", f"100{NBSP}%") if axis.low == 0 else (f"{MINUS}{axis.high:g}", "0", f"+{axis.high:g}")
    return tag("span", "".join(tag("span", end) for end in ends), class_="axis", aria_hidden="true")


def render_opposites(microscope: Microscope) -> str:
    """The section "Who contradicts whom": shares of tokens with opposite signs."""
    names = [method.name for method in microscope.methods]
    if len(names) < 2:
        return ""
    heads = tag("td", "") + "".join(tag("th", breakable(name), scope="col") for name in names)
    rows = "".join(
        tag("tr", tag("th", safe(name), scope="row") + "".join(_cells(row, index)))
        for index, (name, row) in enumerate(zip(names, microscope.opposite, strict=True))
    )
    table = tag("table", tag("thead", tag("tr", heads)) + tag("tbody", rows), class_="opposites")
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Who contradicts whom")
    intro = tag("p", "Share of the tokens that one method makes more likely and the other less likely.", class_="intro")
    return tag("section", tag("h2", "Who contradicts whom") + intro + scroll, id="opposites")


def _cells(row: Sequence[float | None], index: int) -> list[str]:
    """Half of all tokens, as two methods have them that know nothing of each other, has the full colour."""
    cells = []
    for column, share in enumerate(row):
        level = 0 if share is None else min(LEVELS, round(2 * share * LEVELS))
        text = "" if column == index or share is None else percent(share)
        cells.append(tag("td", safe(text), class_=f"minus{level}" if level and text else "zero"))
    return cells
