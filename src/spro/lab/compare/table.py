"""A table: once as numbers for a program (CSV), once as text for a reader (Markdown and the page)."""

import csv
import io
from dataclasses import dataclass
from enum import Enum

from spro.report import MINUS, TextTable


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its 95 % interval; None where it, or an end of it, is never reached or has no meaning."""

    value: float | None
    low: float | None = None
    high: float | None = None


Cell = str | Number | Enum | None
"""Text, a number, the state whose value is shown in place of a number, or nothing that could be said."""


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in a column.

    Attributes:
        title: with its unit.
        form: how ``format`` writes its numbers; ``p`` for p-values.
        spread: its numbers have an interval.
        missing: stands where there is no number.
        endless: stands where an interval has no upper end.
    """

    title: str
    form: str = ""
    spread: bool = False
    missing: str = "-"
    endless: str = "never"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first cell of a row names it.

    Attributes:
        name: of its files.
        title: one line.
        note: what a reader must know; may be empty.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def text(self) -> TextTable:
        """It for the eye."""
        rows = tuple(
            tuple(shown(cell, column) for cell, column in zip(row, self.columns, strict=True)) for row in self.rows
        )
        return TextTable(self.name, self.title, tuple(column.title for column in self.columns), rows, self.note)


def csv_of(table: Table) -> str:
    """Numbers with six significant digits; what has an interval takes two columns more for its ends."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    heads: list[str] = []
    for column in table.columns:
        heads += [column.title, *((f"{column.title} low", f"{column.title} high") if column.spread else ())]
    lines.writerow(heads)
    for row in table.rows:
        cells: list[str] = []
        for cell, column in zip(row, table.columns, strict=True):
            if isinstance(cell, str):
                cells += [cell, *(("", "") if column.spread else ())]
                continue
            number = cell if isinstance(cell, Number) else Number(None)
            parts = (number.value, number.low, number.high) if column.spread else (number.value,)
            cells += ["" if part is None else format(part, ".6g") for part in parts]
        lines.writerow(cells)
    return text.getvalue()


def markdown_of(table: Table) -> str:
    """A table of GitHub's Markdown, with its title and note."""
    text = table.text

    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(_plain(cell) for cell in cells)} |"

    rule = "|" + "|".join(["---", *["---:"] * (len(text.heads) - 1)]) + "|"
    lines = [f"**{text.title}**", "", line(text.heads), rule, *map(line, text.rows)]
    return "\n".join([*lines, *(("", text.note) if text.note else ())]) + "\n"


def _plain(cell: str) -> str:
    """A cell that is neither markup nor the end of its column, whatever a failure had to say."""
    return cell.replace("|", "\\|").replace("<", "&lt;")


def shown(cell: Cell, column: Column) -> str:
    """A cell for the eye: ``82.9 (81.3 to 84.1)``."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Enum):
        return str(cell.value)
    if cell is None or cell.value is None:
        return column.missing
    text = written(cell.value, column.form)
    if not column.spread or (cell.low is None and cell.high is None):
        return text
    low, high = (column.endless if end is None else written(end, column.form) for end in (cell.low, cell.high))
    return f"{text} ({low} to {high})"


def written(value: float, form: str) -> str:
    """A number for the eye, with a true minus."""
    if form == "p":
        return "< 0.001" if value < 0.001 else format(value, ".3f" if value < 0.1 else ".2f")
    text = format(value, form)
    # What rounds to zero has no sign.
    return text.replace("-", MINUS) if any(digit in "123456789" for digit in text) else text.lstrip("+-")
