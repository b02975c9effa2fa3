"""The final result as files: an image and a table."""

import csv
import io
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from spro.report.files import write_file
from spro.report.forest import CAP, NAME, NUMBER, REACH, ROW, SEEDS, Forest, ForestRow, Panel, Whisker
from spro.report.looks import LIGHT_PAPER, LOOKS
from spro.report.picture import INK, SOFT, clear_frame, paint, write_title
from spro.report.text import shortest, tick_text, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

EXTRA_HEIGHT = 150
"""Pixels: of title, headings, axes and note."""
NOTE_LETTERS = 112
"""In a line of the note."""
ENDS = ("", " low", " high")


def write_forest(folder: Path, forest: Forest) -> list[Path]:
    """Write ``<name>.png`` and ``<name>.csv``.

    Args:
        folder: made if it is not there.
        forest: what they show.

    Raises:
        OSError: the folder cannot be made.
        RunFolderError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_file(folder / f"{forest.name}.png", render_png(forest)),
        write_file(folder / f"{forest.name}.csv", render_csv(forest).encode()),
    ]


def render_csv(forest: Forest) -> str:
    """A row a method, whose seed is empty, and behind it a row a seed.

    Numbers are the shortest that read back the same, in percent and in points; what there is not is empty.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["method", "seed", *(f"{name}{end}" for name in ("accuracy", "difference") for end in ENDS)])
    for row in forest.rows:
        rows.writerow([row.label, "", *_numbers(row.final), *_numbers(row.difference)])
        for seed, value in row.seeds.items():
            rows.writerow([row.label, seed, "" if value is None else shortest(value), *[""] * 5])
    return text.getvalue()


def _numbers(cell: Whisker | str) -> list[str]:
    return [""] * 3 if isinstance(cell, str) else [shortest(one) for one in (cell.value, cell.low, cell.high)]


def render_png(forest: Forest) -> bytes:
    """The figure as an image of twice the page's resolution."""
    panels = forest.panels

    def draw(figure: "Figure") -> None:
        fields = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(fields, panels, strict=True):
            _set_axes(axes, panel)
            for index, (row, cell) in enumerate(zip(forest.rows, panel.cells, strict=True)):
                _draw_cell(axes, cell, row, ROW * index)
        for index, row in enumerate(forest.rows):
            _draw_row(fields[0], row, ROW * index)
        write_title(figure, visible(forest.title))
        figure.supxlabel(visible(fill(forest.note, NOTE_LETTERS)), x=0.02, ha="left", color=SOFT, fontsize=8.5)

    return paint(ROW * len(forest.rows) + EXTRA_HEIGHT, draw)


def _set_axes(axes: "Axes", panel: Panel) -> None:
    """Upwards it counts pixels of the page, from the upper edge down."""
    axis = panel.axis
    # A long name runs on over the panel beside it.
    axes.patch.set_visible(False)
    axes.set_xlim(axis.low, axis.high)
    axes.set_ylim(ROW * len(panel.cells), 0)
    axes.set_xticks(axis.ticks, [tick_text(tick, axis.ticks) for tick in axis.ticks])
    axes.set_yticks([])
    axes.set_title(visible(panel.heading), loc="left", color=SOFT, fontsize=10)
    if panel.is_difference:
        axes.axvline(0.0, color=SOFT, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
    clear_frame(axes, "x")


def _draw_cell(axes: "Axes", cell: Whisker | str, row: ForestRow, top: int) -> None:
    look = LOOKS[row.look]
    _write(axes, cell if isinstance(cell, str) else cell.text, top + NUMBER, 9)
    if isinstance(cell, str):
        return
    y = top + REACH
    axes.hlines(y, cell.low, cell.high, color=look.light, alpha=0.7, linewidth=1.5)
    axes.vlines([cell.low, cell.high], y - CAP, y + CAP, color=look.light, alpha=0.7, linewidth=1.5)
    axes.plot(
        [cell.value], [y], color=look.light, marker=look.marker, markersize=6.5, markeredgecolor=LIGHT_PAPER,
        markeredgewidth=0.8, clip_on=False,
    )  # fmt: skip


def _draw_row(axes: "Axes", row: ForestRow, top: int) -> None:
    """The name, and the single seeds below the whisker."""
    name = _write(axes, row.label, top + NAME, 9.5, "bold")
    if row.count:
        beside = axes.annotate(
            row.count, (1, 0), (6, 0), xycoords=name, textcoords="offset points", va="bottom", color=SOFT, fontsize=9
        )
        beside.set_in_layout(False)
    if not row.dots:
        return
    axes.plot(
        list(row.dots.values()), [top + SEEDS] * len(row.dots), color=LOOKS[row.look].light, marker="o",
        markersize=3.2, markeredgewidth=0, linestyle="none", alpha=0.5, clip_on=False,
    )  # fmt: skip


def _write(axes: "Axes", words: str, y: int, size: float, weight: str = "normal") -> "Text":
    """At the left edge, with paper around the letters as they cross the grid; it takes no room from a panel."""
    from matplotlib.patheffects import withStroke

    text = axes.text(axes.get_xlim()[0], y, visible(words), color=INK, fontsize=size, fontweight=weight)
    text.set_in_layout(False)
    text.set_path_effects([withStroke(linewidth=3, foreground=LIGHT_PAPER)])
    return text
