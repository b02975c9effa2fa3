"""Figures as files: an image for a paper, and the numbers behind it for everything else.

An image has the colors, dashes, marks and bands of the page.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spro.errors import RunFolderError
from spro.report.chart import Chart, Line, banded
from spro.report.curves import run_charts
from spro.report.files import write_file
from spro.report.looks import LIGHT_PAPER, LOOKS
from spro.report.picture import SOFT, clear_frame, paint, write_legend, write_title
from spro.report.run import read_run
from spro.report.scale import smooth
from spro.report.text import shortest, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

EXTRA_HEIGHT = 169
"""Pixels: of title, unit and axes."""
SMALLEST_HEIGHT = 170


def write_run_figures(run_folder: Path) -> list[Path]:
    """Write every figure of a run into its ``figures/``: see ``write_figures``.

    Raises:
        RunFolderError: the folder is missing, damaged, or cannot be written to.
    """
    return write_figures(run_folder / "figures", run_charts(read_run(run_folder).metrics))


def write_figures(folder: Path, charts: Sequence[Chart]) -> list[Path]:
    """Write ``<name>.png`` and ``<name>.csv`` of each chart.

    Files of other names in the folder stay.

    Args:
        folder: made if it is not there.
        charts: of different names.

    Returns:
        The paths, in the order of the charts.

    Raises:
        RunFolderError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be made ({error.strerror}): check the path and permissions") from error
    written = []
    for chart in charts:
        written.append(write_file(folder / f"{chart.name}.png", render_png(chart)))
        written.append(write_file(folder / f"{chart.name}.csv", render_csv(chart).encode()))
    return written


def render_csv(chart: Chart) -> str:
    """All points of a figure: a row a place, a column a line and two more for the ends of its interval.

    Numbers are the shortest that read back the same; what was not measured is empty.
    """
    heads: list[str] = [chart.frame.across]
    columns: list[dict[float, str]] = []
    for line in chart.lines:
        heads.append(line.label)
        columns.append({place: shortest(value) for place, value in line.series.points})
        if line.spans:
            heads += [f"{line.label} low", f"{line.label} high"]
            columns += [{place: shortest(span[end]) for place, span in line.spans.items()} for end in (0, 1)]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(heads)
    for place in sorted({place for line in chart.lines for place in line.series.places}):
        rows.writerow([shortest(place), *(column.get(place, "") for column in columns)])
    return text.getvalue()


def render_png(chart: Chart) -> bytes:
    """The figure as an image of twice the page's resolution."""

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot(facecolor=LIGHT_PAPER)
        _set_axes(axes, chart)
        for line in chart.lines:
            _draw_band(axes, line)
        drawn = [_draw_line(axes, chart, line) for line in chart.lines]
        write_title(figure, visible(chart.title))
        write_legend(figure, drawn, [visible(line.label) for line in chart.lines])

    return paint(max(chart.height, SMALLEST_HEIGHT) + EXTRA_HEIGHT, draw)


def _set_axes(axes: "Axes", chart: Chart) -> None:
    across, up = chart.across, chart.up
    axes.set_xlim(across.low, across.high)
    axes.set_ylim(up.low, up.high)
    axes.set_xticks(across.ticks, [chart.frame.tick(tick, across) for tick in across.ticks])
    axes.set_yticks(up.ticks, [chart.up_text(tick, up) for tick in up.ticks])
    axes.set_xlabel(visible(chart.frame.across), color=SOFT)
    axes.set_title(visible(chart.unit), loc="left", color=SOFT, fontsize=10)
    clear_frame(axes, "y")


def _draw_band(axes: "Axes", line: Line) -> None:
    color = LOOKS[line.look].light
    for spans in banded(line):
        places = [place for place, _ in spans]
        low, high = ([span[end] for _, span in spans] for end in (0, 1))
        if len(spans) == 1:
            axes.vlines(places, low, high, color=color, alpha=0.3, linewidth=5)
            continue
        axes.fill_between(places, low, high, color=color, alpha=0.14, linewidth=0)
        for edge in (low, high):
            axes.plot(places, edge, color=color, alpha=0.45, linewidth=0.8)


def _draw_line(axes: "Axes", chart: Chart, line: Line) -> "Line2D":
    look = LOOKS[line.look]
    # matplotlib counts dashes in widths of the line, the page in pixels of which a line has two.
    dash = (0, tuple(length / 2 for length in look.dash)) if look.dash and not line.marked else "solid"
    places, values = list(line.series.places), [float("nan") if v is None else v for v in line.series.values]
    if chart.frame.window and not line.marked:
        axes.plot(places, values, color=look.light, alpha=0.38, linewidth=0.8)
        values = [float("nan") if v is None else v for v in smooth(line.series.values, chart.frame.window)]
    mark = look.marker if line.marked or len(line.series.points) == 1 else None
    (drawn,) = axes.plot(
        places, values, color=look.light, linestyle=dash, linewidth=1.7, clip_on=False, marker=mark, markersize=6,
        markeredgecolor=LIGHT_PAPER, markeredgewidth=0.8,
    )  # fmt: skip
    return drawn
