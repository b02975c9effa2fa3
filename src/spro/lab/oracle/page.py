"""``oracle.html``: what was scored, drawn against drift, group size and length."""

from collections.abc import Sequence
from importlib import resources

from spro.lab.oracle.config import OracleConfig
from spro.lab.oracle.figure import render_panel
from spro.lab.oracle.score import COLUMNS
from spro.lab.oracle.study import Result, Setting
from spro.lab.oracle.sweeps import Sweep, look_of, shown_methods
from spro.lab.oracle.table import describe, ranked, written
from spro.report import document, safe, tag
from spro.settings import dump_config

READING = (
    "Each line is a credit method; choose them by name, point at a name to see its line alone. Whiskers are 95 % "
    "intervals. A hollow dot is a bias that these batches cannot tell from 0: it is smaller than where the dot stands. "
    "A line is missing where a score has no meaning, as the bias of a method that does not point along the gradient. "
    "Read noise beside bias: a gradient that is long because it is bent has little noise for its length."
)


def render_oracle_page(config: OracleConfig, results: Sequence[Result], sweeps: Sequence[Sweep]) -> str:
    """The page as text.

    Args:
        config: of the study.
        results: of all its settings, the base among them.
        sweeps: their panels.
    """
    base = next(result for result in results if is_base(config, result.setting))
    shown = shown_methods(config)
    title = "Credit methods against the exact truth"
    head = tag("header", tag("h1", title) + tag("p", safe(describe(base.setting)), class_="settings"))
    legend = tag("div", "".join(_key(row.method, row.method in shown) for row in ranked(base)), class_="keys")
    body = head + tag("section", tag("p", safe(READING), class_="prose") + legend + "".join(map(_sweep, sweeps)))
    body += _table(base) + _columns()
    text = tag("pre", safe(dump_config(config)), class_="scroll", tabindex=0)
    body += tag("section", tag("details", tag("summary", "Settings") + text), id="config")
    methods = [row.method for row in base.rows]
    return document(title, body, extra_style=_style(methods))


def is_base(config: OracleConfig, setting: Setting) -> bool:
    """Whether this is the setting from which the sweeps start."""
    wanted = (config.length, config.group_size, config.drift)
    return (setting.length, setting.group_size, setting.drift) == wanted


def _sweep(sweep: Sweep) -> str:
    heading = tag("h2", safe(f"By {sweep.across.title}"))
    return tag("section", heading + tag("div", "".join(map(render_panel, sweep.panels)), class_="oracle-row"))


def _key(method: str, is_shown: bool) -> str:
    checked = " checked" if is_shown else ""
    box = f'<input type="checkbox" id="show-{safe(method)}"{checked}>'
    return tag("label", box + tag("i", class_=f"swatch s-{method}") + safe(method), class_=f"key k-{method}")


def _style(methods: Sequence[str]) -> str:
    rules = [resources.files("spro.lab.oracle").joinpath("oracle.css").read_text(encoding="utf-8")]
    for method in methods:
        color, _ = look_of(method, methods)
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
