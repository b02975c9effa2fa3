"""An image file: what all of them have in common, whatever they show.

The same data gives the same bytes, so that an image in a repository changes only when its data does. Colors are those
of the page on light paper.
"""

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from spro.report.looks import LIGHT_PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES_PER_PIXEL = 1 / 100
DOTS_PER_INCH = 200
WIDTH = 720
PADDING = 0.1
INK, SOFT, RULE = "#1c1e22", "#5a616b", "#e2e4e7"


def paint(height: int, draw: Callable[["Figure"], None]) -> bytes:
    """A PNG of twice the page's resolution.

    Args:
        height: in pixels of the page.
        draw: fills the figure, which is empty paper of ``WIDTH`` times ``height``.
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


def clear_frame(axes: "Axes", grid: str) -> None:
    """Leave the lower edge of the frame alone, and faint lines along one axis, ``x`` or ``y``."""
    axes.grid(axis="x" if grid == "x" else "y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, length=3)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
