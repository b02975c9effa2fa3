"""The measures of a microscope as files: an image and a table for each truth."""

import csv
import io
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from spro.report.files import write_file
from spro.report.looks import LIGHT_PAPER
from spro.report.microscope_folder import Microscope, Truth, read_microscope
from spro.report.microscope_measures import COLUMNS, Axis, Whiskers, whiskers_of
from spro.report.picture import INK, RULE, SOFT, clear_frame, paint, write_title
from spro.report.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE = "#0a3fae", "#b5301a"
ROW_HEIGHT, EXTRA_HEIGHT = 30, 110
"""Pixels: of a method, and of title and axes."""
HEADING_LETTERS = 18
"""In a line above a panel."""


def write_microscope_figures(folder: Path) -> list[Path]:
    """Write ``figures/measures-<truth>.png`` and ``.csv`` of a folder of ``spro microscope``, from its files alone.

    Raises:
        RunFolderError: a file is missing or damaged, or the folder cannot be written to.
    """
    microscope, figures = read_microscope(folder), folder / "figures"
    if microscope.truths:
        figures.mkdir(exist_ok=True)
    written = []
    for truth in microscope.truths:
        name = f"measures-{truth.name}"
        written.append(write_file(figures / f"{name}.png", _picture(microscope, truth)))
        written.append(write_file(figures / f"{name}.csv", _table(microscope, truth).encode()))
    return written


def _picture(microscope: Microscope, truth: Truth) -> bytes:
    """Methods one under another, a panel for each measure, with a whisker for each number."""
    whiskers = whiskers_of(microscope, truth)

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(1, len(COLUMNS), sharey=True, squeeze=False)[0]
        for axes, (name, heading) in zip(panels, COLUMNS.items(), strict=True):
            axes.set_facecolor(LIGHT_PAPER)
            axes.set_title(fill(heading, HEADING_LETTERS), loc="left", color=SOFT, fontsize=9)
            _draw_panel(axes, whiskers, name, whiskers.axes[name])
        names = [visible(method.name) for method in whiskers.methods]
        panels[0].set_yticks(range(len(names)), names, color=INK)
        panels[0].invert_yaxis()
        write_title(figure, visible(f"Against the {truth.title}; 95 % intervals over prompts"))

    return paint(ROW_HEIGHT * len(whiskers.methods) + EXTRA_HEIGHT, draw)


def _draw_panel(axes: "Axes", whiskers: Whiskers, name: str, axis: Axis) -> None:
    axes.set_xlim(axis.low, axis.high)
    axes.axvline(axis.middle, color=RULE, linewidth=1.5)
    for row, method in enumerate(whiskers.methods):
        measure = whiskers.measures[method.name].get(name)
        if measure is None or measure.value is None:
            axes.text(axis.middle, row, "\u2013", color=SOFT, ha="center", va="center")
            continue
        color = BLUE if measure.value >= axis.middle else ORANGE
        if measure.low is not None and measure.high is not None:
            axes.hlines(row, measure.low, measure.high, color=color, alpha=0.5, linewidth=2.5)
        axes.plot([measure.value], [row], color=color, marker="o", markersize=6, clip_on=False)
    clear_frame(axes, "x")


def _table(microscope: Microscope, truth: Truth) -> str:
    """A row a method, three columns a measure: number and ends of the interval; empty where it has no meaning."""
    whiskers, text = whiskers_of(microscope, truth), io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["method", *(f"{name}{end}" for name in microscope.meanings for end in ("", " low", " high"))])
    for method in whiskers.methods:
        found = [whiskers.measures[method.name].get(name) for name in microscope.meanings]
        numbers = [n for m in found for n in ((None,) * 3 if m is None else (m.value, m.low, m.high))]
        rows.writerow([method.name, *("" if number is None else repr(number) for number in numbers)])
    return text.getvalue()
