"""A run folder in, one page out.

Reads files and knows nothing of training, so a page can be written beside a run that is still going, on a laptop that
cannot run the model, or years later. The page is one HTML file without a single outside address.

    jsonl      lines of JSON, the last of which may be half written
    series     values along an axis
    run        config.yaml and metrics.jsonl
    rollouts   sampled responses, and the few groups of them that are worth a look
    text       the only door from data to markup
    scale      ticks, gaps, smoothing, thinning
    looks      how lines are told apart
    chart      one figure: lines, legend, table
    forest     a dot and a whisker for each method, and a file for the figure
    causes     why a run collapsed, in words
    held_out   how sure a held-out accuracy is
    curves     which figures a run has
    tokens     responses coloured by credit
    headline   the result in one glance
    page       all of it, and the file
    comparison several methods and seeds: a sentence, tables, curves
    microscope the same responses as several methods see them, with a folder, strips and measures of its own
    files      written whole or not at all
    figures    a figure as PNG and CSV
    picture    what all images have in common
    live       the page of a run that goes on
    server     who may ask for it, and how
    watch      until Ctrl-C
"""

from spro.report.causes import CAUSES, collapses, explain
from spro.report.chart import Chart, Frame, Line, Series
from spro.report.comparison import ComparisonPage, TextTable, render_comparison
from spro.report.figures import write_figures, write_run_figures
from spro.report.forest import Forest, ForestRow, Whisker
from spro.report.forest_figure import write_forest
from spro.report.looks import LIGHT_PAPER
from spro.report.microscope import write_microscope
from spro.report.microscope_figures import write_microscope_figures
from spro.report.microscope_folder import MicroscopeFacts
from spro.report.page import document, write_report
from spro.report.picture import SOFT, clear_frame, paint, write_legend, write_title
from spro.report.run import read_run
from spro.report.scale import Axis, smoothing_window, value_axis
from spro.report.text import MINUS, listed, safe, short, signed, tag
from spro.report.watch import watch_command

__all__ = [
    "CAUSES",
    "LIGHT_PAPER",
    "MINUS",
    "SOFT",
    "Axis",
    "Chart",
    "ComparisonPage",
    "Forest",
    "ForestRow",
    "Frame",
    "Line",
    "MicroscopeFacts",
    "Series",
    "TextTable",
    "Whisker",
    "clear_frame",
    "collapses",
    "document",
    "explain",
    "listed",
    "paint",
    "read_run",
    "render_comparison",
    "safe",
    "short",
    "signed",
    "smoothing_window",
    "tag",
    "value_axis",
    "watch_command",
    "write_figures",
    "write_forest",
    "write_legend",
    "write_microscope",
    "write_microscope_figures",
    "write_report",
    "write_run_figures",
    "write_title",
]
