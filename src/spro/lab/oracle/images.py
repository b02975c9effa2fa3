"""The panels as files: an image for a paper, and the numbers behind it for everything else."""

import csv
import io
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from spro.lab.oracle.panel import INSET, Curve, Panel, drawn_value
from spro.lab.oracle.sweeps import Sweep
from spro.report import LIGHT_PAPER, SOFT, clear_frame, paint, write_legend, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

HEIGHT = 398
"""Pixels of the page: of all but the legend."""
LINE, DOT = 1.7, 6.0
"""Points: width of strokes, diameter of dots."""


def write_images(folder: Path, sweeps: Sequence[Sweep]) -> None:
    """Write ``<name>.png`` and ``<name>.csv`` of each panel.

    Args:
        folder: must not exist.
        sweeps: the panels, of different names.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir()
    for panel in (panel for sweep in sweeps for panel in sweep.panels):
        (folder / f"{panel.name}.png").write_bytes(render_png(panel))
        (folder / f"{panel.name}.csv").write_bytes(render_csv(panel).encode())


def render_csv(panel: Panel) -> str:
    """All methods, also those that the image leaves out: a row a place and method.

    ``low`` and ``high`` end the 95 % interval, within the limits of the score. Where ``below`` is true the value is a
    bound: the bias cannot be told from 0 and is smaller than that. Numbers are the shortest that read back the same;
    what has no meaning, or was not measured, is empty.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([panel.across.column, "method", "value", "low", "high", "below"])
    for index, place in enumerate(panel.across.places):
        for curve in panel.curves:
            estimate = curve.estimates[index]
            low, high = panel.interval(estimate) or (None, None)
            below = "true" if estimate.is_floored else "false"
            rows.writerow([place, curve.method, drawn_value(estimate), low, high, below])
    return text.getvalue()


def render_png(panel: Panel) -> bytes:
    """The methods that are shown as an image: the lines, whiskers and dots of the page, on the axes of the page.

    The plot has the same height whatever the legend needs.
    """
    curves = [curve for curve in panel.curves if curve.is_shown]

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot(facecolor=LIGHT_PAPER)
        _set_axes(axes, panel)
        axes.set_title(_reading(panel, curves), loc="left", color=SOFT, fontsize=10, pad=9)
        drawn = [_draw_curve(axes, panel, curve) for curve in curves]
        write_title(figure, panel.heading)
        write_legend(figure, drawn, [curve.method for curve in curves])

    return paint(HEIGHT, draw)


def _set_axes(axes: "Axes", panel: Panel) -> None:
    up, ticks = panel.up, panel.across.ticks
    axes.set_xlim(-INSET, 1 + INSET)
    axes.set_ylim(up.low, up.high)
    axes.set_xticks([share for share, _ in ticks], [text for _, text in ticks])
    axes.set_yticks(up.ticks, [panel.up_text(tick) for tick in up.ticks])
    axes.set_xlabel(panel.across.label, color=SOFT)
    clear_frame(axes, "y")


def _reading(panel: Panel, curves: Sequence[Curve]) -> str:
    """The line above the plot: an image stands without the page that says how to read it."""
    parts = [panel.note] if panel.note else []
    estimates = [estimate for curve in curves for estimate in curve.estimates]
    if any(map(panel.interval, estimates)):
        parts.append("whiskers: 95 % intervals")
    if any(estimate.is_floored for estimate in estimates):
        parts.append("hollow: cannot be told from 0, is smaller than this")
    return "; ".join(parts)


def _draw_curve(axes: "Axes", panel: Panel, curve: Curve) -> "Line2D":
    """Draw a method above those before it; returns its mark for the legend."""
    shares = panel.across.shares
    heights = [nan if height is None else height for height in map(panel.height, curve.estimates)]
    # matplotlib counts dashes in widths of the line, the page in pixels of which a line has two.
    dash = (0, tuple(length / 2 for length in curve.dash)) if curve.dash else "solid"
    axes.plot(shares, heights, color=curve.color, linestyle=dash, linewidth=LINE, clip_on=False, zorder=2)
    for share, ends in zip(shares, map(panel.whisker, curve.estimates), strict=True):
        axes.plot([share] * len(ends), ends, color=curve.color, linewidth=LINE, clip_on=False, zorder=2)
    fills = [LIGHT_PAPER if estimate.is_floored else curve.color for estimate in curve.estimates]
    axes.scatter(
        shares, heights, s=DOT**2, color=fills, edgecolors=curve.color, linewidths=LINE, clip_on=False, zorder=2
    )
    (mark,) = axes.plot([], [], color=curve.color, linestyle=dash, linewidth=LINE, marker="o", markersize=DOT)
    return mark
