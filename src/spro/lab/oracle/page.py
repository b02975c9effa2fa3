"""``oracle.html``: what was scored, drawn against drift, group size and length."""

import math
from collections.abc import Callable, Sequence
from importlib import resources

from spro.lab.oracle.config import OracleConfig
from spro.lab.oracle.figure import Curve, Panel, render_panel
from spro.lab.oracle.score import COLUMNS, UNDEFINED
from spro.lab.oracle.study import Result, Setting
from spro.lab.oracle.table import describe, ranked, written
from spro.report import document, safe, tag
from spro.settings import dump_config

PANELS = (
    ("correlation", "Correlation with the true advantage", False),
    ("cosine", "Cosine of the expected gradient", False),
    ("bias", "Bias of the gradient, best scale", True),
    ("noise_ratio", "Noise of the gradient (variance / scale\u00b2), RLOO is 1", True),
)
"""Score, title, whether its axis is logarithmic."""
SHOWN = ("spro", "grpo", "rloo", "spro_control_variate", "prime", "pure", "ppo", "vineppo")
"""Methods that are drawn when the page opens; the others are a click away."""
PALETTE = ("#c65a00", "#1a66b3", "#6b7280", "#00795f", "#8d4a94", "#b8860b", "#c2185b", "#0097a7")
DASHES = ("", "6 3", "2 3")
READING = (
    "Each line is a credit method; choose them by name, point at a name to see its line alone. Whiskers are 95 % "
    "intervals. A hollow dot is a bias that these batches cannot tell from 0: it is smaller than where the dot stands. "
    "A line is missing where a score has no meaning, as the bias of a method that does not point along the gradient. "
    "Read noise beside bias: a gradient that is long because it is bent has little noise for its length."
)


def render_oracle_page(config: OracleConfig, results: Sequence[Result]) -> str:
    """The page as text."""
    base = next(result for result in results if is_base(config, result.setting))
    sweeps = (
        _sweep(config, results, "drift", "drift, nats a response", lambda s: s.measured_drift, lambda x: x),
        _sweep(config, results, "group_size", "group size", lambda s: float(s.group_size), math.log2),
        _sweep(config, results, "length", "limit on the length, tokens", lambda s: float(s.length), lambda x: x),
    )
    title = "Credit methods against the exact truth"
    head = tag("header", tag("h1", title) + tag("p", safe(describe(base.setting)), class_="settings"))
    legend = tag("div", "".join(_key(row.method) for row in ranked(base)), class_="keys")
    body = head + tag("section", tag("p", safe(READING), class_="prose") + legend + "".join(sweeps))
    body += _table(base) + _columns()
    text = tag("pre", safe(dump_config(config)), class_="scroll", tabindex=0)
    body += tag("section", tag("details", tag("summary", "Settings") + text), id="config")
    methods = [row.method for row in base.rows]
    return document(title, body, extra_style=_style(methods))


def is_base(config: OracleConfig, setting: Setting) -> bool:
    """Whether this is the setting from which the sweeps start."""
    wanted = (config.length, config.group_size, config.drift)
    return (setting.length, setting.group_size, setting.drift) == wanted


def _sweep(
    config: OracleConfig,
    results: Sequence[Result],
    moving: str,
    across: str,
    place: Callable[[Setting], float],
    spacing: Callable[[float], float],
) -> str:
    """The panels along one axis: all settings that differ from the base in ``moving`` alone."""
    fixed = {"length", "group_size", "drift"} - {moving}
    along = [r for r in results if all(getattr(r.setting, name) == getattr(config, name) for name in fixed)]
    along.sort(key=lambda result: place(result.setting))
    places = tuple(place(result.setting) for result in along)
    panels = [
        Panel(title, across, places, tuple(map(spacing, places)), _curves(along, score), is_log)
        for score, title, is_log in PANELS
    ]
    heading = tag("h2", safe(f"By {across.split(',')[0]}"))
    return tag("section", heading + tag("div", "".join(map(render_panel, panels)), class_="oracle-row"))


def _curves(results: Sequence[Result], score: str) -> tuple[Curve, ...]:
    names = [row.method for row in results[0].rows]
    found = []
    for name in names:
        rows = [next(row for row in result.rows if row.method == name) for result in results]
        color, dash = _look(name, names)
        found.append(Curve(name, color, dash, tuple(row.scores.get(score, UNDEFINED) for row in rows)))
    return tuple(found)


def _look(method: str, names: Sequence[str]) -> tuple[str, str]:
    """Color and dash: of its own for a method that is shown at once, around the circle of hues for the others."""
    if method in SHOWN:
        return PALETTE[SHOWN.index(method)], ""
    others = [name for name in names if name not in SHOWN]
    index = others.index(method)
    return f"hsl({round(360 * index / len(others))} 60% 46%)", DASHES[1 + index % 2]


def _key(method: str) -> str:
    checked = " checked" if method in SHOWN else ""
    box = f'<input type="checkbox" id="show-{safe(method)}"{checked}>'
    return tag("label", box + tag("i", class_=f"swatch s-{method}") + safe(method), class_=f"key k-{method}")


def _style(methods: Sequence[str]) -> str:
    rules = [resources.files("spro.lab.oracle").joinpath("oracle.css").read_text(encoding="utf-8")]
    for method in methods:
        color, _ = _look(method, methods)
        rules.append(f".s-{method} {{ background: {color}; }}")
        rules.append(f"main:has(#show-{method}:not(:checked)) .series.m-{method} {{ display: none; }}")
        rules.append(f"main:has(.k-{method}:hover) .series.m-{method} {{ display: inline; opacity: 1; }}")
    return "\n".join(rules)


def _table(base: Result) -> str:
    heads = "".join(tag("th", safe(name.replace("_", " ")), scope="col") for name in ("method", "is given", *COLUMNS))
    rows = "".join(
        tag(
            "tr",
            tag("th", safe(row.method), scope="row")
            + tag("td", safe(row.given))
            + "".join(tag("td", safe(written(row.scores[name]))) for name in COLUMNS),
        )
        for row in ranked(base)
    )
    table = tag("table", tag("caption", safe(describe(base.setting))) + tag("thead", tag("tr", heads)) + rows)
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Scores")
    return tag("section", tag("h2", "All scores of the base setting") + scroll)


def _columns() -> str:
    entries = "".join(tag("dt", safe(name.replace("_", " "))) + tag("dd", safe(text)) for name, text in COLUMNS.items())
    return tag("section", tag("h2", "What the scores say") + tag("dl", entries, class_="meanings"))
