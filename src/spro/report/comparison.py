"""The page of a comparison: a sentence, the final result, curves, tables, how to read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.report.chart import Chart, render_chart
from spro.report.forest import Forest, render_forest
from spro.report.page import document, package_file
from spro.report.text import safe, tag

LONG = 40
"""Characters from which a cell is text that breaks into lines."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table as it is read; the first cell of a row is its heading.

    Attributes:
        name: unique on the page, letters, digits and hyphens only.
        title: one line.
        heads: one a column.
        rows: as many cells each.
        note: what a reader must know; may be empty.
    """

    name: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """What the page shows; all of it text that is escaped here.

    Attributes:
        title: what was compared.
        headline: the result in a sentence.
        remarks: what must be known before a number is believed.
        forest: the final result; None where there is none.
        tables: in their order.
        charts: the first is drawn large.
        reading: paragraphs.
        settings: YAML.
    """

    title: str
    headline: str
    remarks: tuple[str, ...]
    forest: Forest | None
    tables: tuple[TextTable, ...]
    charts: tuple[Chart, ...]
    reading: tuple[str, ...]
    settings: str


def render_comparison(page: ComparisonPage) -> str:
    """The page as text; the same content gives the same page."""
    header = tag(
        "header",
        tag("p", "Comparison", class_="kicker")
        + tag("h1", safe(page.title))
        + tag("p", safe(page.headline), class_="lead")
        + "".join(tag("p", safe(remark), class_="notice") for remark in page.remarks),
    )
    body = header + _final(page.forest) + _curves(page.charts) + _results(page.tables)
    body += _reading(page.reading) + _settings(page.settings)
    return document(
        f"{page.title} - comparison", body, extra_style=package_file("comparison.css"), script=package_file("page.js")
    )


def _final(forest: Forest | None) -> str:
    return "" if forest is None else tag("section", tag("h2", "Final result") + render_forest(forest), id="final")


def _curves(charts: Sequence[Chart]) -> str:
    if not charts:
        return ""
    intro = "Point at a figure for its values; with the keyboard, enter it and use the arrow keys."
    figures = tag("div", render_chart(charts[0]), class_="row large")
    others = "".join(map(render_chart, charts[1:]))
    figures += tag("div", others, class_="row middle") if others else ""
    return tag("section", tag("h2", "Curves") + tag("p", safe(intro), class_="intro") + figures, id="curves")


def _results(tables: Sequence[TextTable]) -> str:
    return tag("section", tag("h2", "Results") + "".join(map(_table, tables)), id="results") if tables else ""


def _table(table: TextTable) -> str:
    title_id = f"table-{table.name}"
    heads = tag("thead", tag("tr", "".join(tag("th", safe(head), scope="col") for head in table.heads)))
    rows = "".join(tag("tr", tag("th", safe(row[0]), scope="row") + "".join(map(_cell, row[1:]))) for row in table.rows)
    body = tag("table", heads + tag("tbody", rows), aria_labelledby=title_id)
    # What scrolls must be reachable by keyboard.
    scroll = tag("div", body, class_="scroll", tabindex=0, role="region", aria_labelledby=title_id)
    note = tag("p", safe(table.note), class_="unit") if table.note else ""
    return tag("div", tag("h3", safe(table.title), id=title_id) + scroll + note, class_="result")


def _cell(text: str) -> str:
    return tag("td", safe(text), class_="long" if len(text) > LONG else None)


def _reading(paragraphs: Sequence[str]) -> str:
    body = "".join(tag("p", safe(paragraph), class_="prose") for paragraph in paragraphs)
    return tag("section", tag("h2", "How to read this page") + body, id="reading")


def _settings(text: str) -> str:
    shown = tag("pre", safe(text), class_="scroll", tabindex=0, role="region", aria_label="compare.yaml")
    return tag("section", tag("details", tag("summary", "Settings") + shown), id="config")
