"""The final result as files: an image and a table."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from spro.report.files import write_file
from spro.report.forest import CAP, NAME, NUMBER, REACH, ROW, SEEDS, Forest, ForestRow, Panel, Whisker
from spro.report.looks import LIGHT_PAPER, LOOKS
from spro.report.picture import INCHES_PER_PIXEL, INK, SOFT, clear_frame, paint, write_title
from spro.report.text import shortest, tick_text, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

EXTRA_HEIGHT, LINE_HEIGHT = 120, 15
"""Pixels: of title, headings and axes, and of a line of the note."""
EDGE, NOTE_SIZE = 0.02, 8.5
"""Of the note: its distance from the sides, as a share of the width, and the size of its letters in points."""
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

    Numbers are the shortest that read back the same, in percent and in points, and behind each is of how many seeds it
    is; what there is not is empty.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    finals, differences = ([f"{name}{end}" for end in ENDS] for name in ("accuracy", "difference"))
    rows.writerow(["method", "seed", *finals, "seeds", *differences, "difference seeds"])
    for row in forest.rows:
        rows.writerow([row.label, "", *_numbers(row.final), *_numbers(row.difference)])
        for seed, value in row.seeds.items():
            rows.writerow([row.label, seed, "" if value is None else shortest(value), *[""] * 7])
    return text.getvalue()


def _numbers(cell: Whisker | str) -> list[str]:
    if isinstance(cell, str):
        return [""] * 4
    return [*(shortest(one) for one in (cell.value, cell.low, cell.high)), str(cell.seeds)]


def render_png(forest: Forest) -> bytes:
    """The figure as an image of twice the page's resolution."""
    panels, height = forest.panels, ROW * len(forest.rows) + EXTRA_HEIGHT

    def draw(figure: "Figure") -> None:
        lines = _broken(figure, visible(forest.note))
        figure.set_figheight((height + LINE_HEIGHT * len(lines)) * INCHES_PER_PIXEL)
        fields = figure.subplots(1, len(panels), squeeze=False)[0]
        # A long name runs on over the panel beside it.
        fields[0].set_zorder(1)
        for axes, panel in zip(fields, panels, strict=True):
            _set_axes(axes, panel)
            for index, row in enumerate(forest.rows):
                _draw_cell(axes, panel, row, index)
        for index, row in enumerate(forest.rows):
            _draw_row(fields[0], row, ROW * index)
        write_title(figure, visible(forest.title))
        figure.supxlabel("\n".join(lines), x=EDGE, ha="left", color=SOFT, fontsize=NOTE_SIZE)

    return paint(height, draw)


def _broken(figure: "Figure", text: str) -> list[str]:
    """The lines of a text, none wider than the figure: a label has up to 40 letters, of any width."""
    note = figure.text(0, 0, "", fontsize=NOTE_SIZE)
    room, lines = figure.bbox.width * (1 - 2 * EDGE), [""]
    for word in text.split(" "):
        line = f"{lines[-1]} {word}".lstrip()
        note.set_text(line)
        lines[-1:] = [line] if note.get_window_extent().width <= room else [lines[-1], word]
    note.remove()
    return [line for line in lines if line]


def _set_axes(axes: "Axes", panel: Panel) -> None:
    """Upwards it counts pixels of the page, from the upper edge down."""
    axis = panel.axis
    axes.patch.set_visible(False)
    axes.set_xlim(axis.low, axis.high)
    axes.set_ylim(ROW * len(panel.cells), 0)
    axes.set_xticks(axis.ticks, [tick_text(tick, axis.ticks) for tick in axis.ticks])
    axes.set_yticks([])
    axes.set_title(visible(panel.heading), loc="left", color=SOFT, fontsize=10)
    if panel.is_difference:
        axes.axvline(0.0, color=SOFT, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5, clip_on=False)
    clear_frame(axes, "x")


def _draw_cell(axes: "Axes", panel: Panel, row: ForestRow, index: int) -> None:
    """The number, and its whisker below it."""
    cell, look, top = panel.cells[index], LOOKS[row.look], ROW * index
    number = _write(axes, cell if isinstance(cell, str) else cell.text, top + NUMBER, 9)
    if panel.count(row):
        beside = axes.annotate(
            panel.count(row), (1, 0), (6, 0), xycoords=number, textcoords="offset points", va="bottom", color=SOFT,
            fontsize=9,
        )  # fmt: skip
        beside.set_in_layout(False)
    if isinstance(cell, str):
        return
    y, ends = top + REACH, [cell.low, cell.high]
    # At an end of the axis half of a cap or of a mark lies beyond it.
    axes.hlines(y, cell.low, cell.high, color=look.light, alpha=0.7, linewidth=1.5, clip_on=False)
    axes.vlines(ends, y - CAP, y + CAP, color=look.light, alpha=0.7, linewidth=1.5, clip_on=False)
    axes.plot(
        [cell.value], [y], color=look.light, marker=look.marker, markersize=6.5, markeredgecolor=LIGHT_PAPER,
        markeredgewidth=0.8, clip_on=False,
    )  # fmt: skip


def _draw_row(axes: "Axes", row: ForestRow, top: int) -> None:
    """The name, and the single seeds below the whisker."""
    _write(axes, row.label, top + NAME, 9.5, "bold")
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
