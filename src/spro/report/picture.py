"""An image file: what all of them have in common, whatever they show.

The same data gives the same bytes, so that an image in a repository changes only when its data does. Colors are those
of the page on light paper.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from spro.report.looks import LIGHT_PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INCHES_PER_PIXEL = 1 / 100
DOTS_PER_INCH = 200
POINTS_PER_INCH = 72
WIDTH = 720
PADDING = 0.1
LEGEND_ROW = 20.83
"""Pixels of the page that a row of a legend takes."""
MOST_COLUMNS = 4
LEGEND_ROOM, BESIDE, BETWEEN = 495, 40, 20
"""Points: what a legend may take of the width, what stands beside a name, what separates two columns."""
INK, SOFT, RULE = "#1c1e22", "#5a616b", "#e2e4e7"


def paint(height: int, draw: Callable[["Figure"], None]) -> bytes:
    """A PNG of twice the page's resolution.

    Args:
        height: in pixels of the page.
        draw: fills the figure, which is empty paper of ``WIDTH`` times ``height``; may make it higher.
    """
    # A figure of its own, without pyplot, needs no screen and leaves the settings of a notebook alone.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    content = io.BytesIO()
    # A script that the font lacks shows as boxes; the page and the table have its letters.
    with matplotlib.rc_context(), warnings.catch_warnings(action="ignore", category=UserWarning):
        matplotlib.rcdefaults()
        matplotlib.rc("font", size=10, family=["DejaVu Sans"])
        matplotlib.rc("axes", edgecolor=SOFT)
        matplotlib.rc("text", parse_math=False)
        size = (WIDTH * INCHES_PER_PIXEL, height * INCHES_PER_PIXEL)
        layout = ConstrainedLayoutEngine(w_pad=PADDING, h_pad=PADDING)
        figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=LIGHT_PAPER, layout=layout)
        FigureCanvasAgg(figure)
        draw(figure)
        # Without its maker's name and version, which would change the bytes with every release.
        figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return content.getvalue()


def write_title(figure: "Figure", text: str) -> None:
    """The line at the top."""
    figure.suptitle(text, x=0.02, ha="left", color=INK, fontweight="bold", fontsize=12)


def write_legend(figure: "Figure", marks: Sequence["Line2D"], names: Sequence[str]) -> None:
    """Names beside their marks at the lower edge; the figure grows by them, so that a plot keeps its height."""
    columns = _legend_columns(figure, names)
    rows = ceil(len(names) / columns)
    figure.set_figheight(figure.get_figheight() + round(LEGEND_ROW * rows) * INCHES_PER_PIXEL)
    figure.legend(
        marks,
        names,
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        labelcolor=INK,
        handlelength=3.2,
    )


def _legend_columns(figure: "Figure", names: Sequence[str]) -> int:
    """As many as there is room for."""
    text, widths = figure.text(0, 0, ""), []
    for name in names:
        text.set_text(name)
        widths.append(text.get_window_extent().width * POINTS_PER_INCH / figure.dpi)
    text.remove()
    for columns in range(min(MOST_COLUMNS, len(names)), 1, -1):
        # A legend is filled column by column.
        needed = sum(BESIDE + max(column) for column in np.array_split(widths, columns)) + BETWEEN * (columns - 1)
        if needed <= LEGEND_ROOM:
            return columns
    return 1


def clear_frame(axes: "Axes", grid: str) -> None:
    """Leave the lower edge of the frame alone, and faint lines along one axis, ``x`` or ``y``."""
    axes.grid(axis="x" if grid == "x" else "y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, length=3)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
