"""A run folder in, one page out.

Reads files and knows nothing of training, so a page can be written beside a run that is still going, on a laptop that
cannot run the model, or years later. The page is one HTML file without a single outside address.

    jsonl      lines of JSON, the last of which may be half written
    run        config.yaml and metrics.jsonl
    rollouts   sampled responses, and the few groups of them that are worth a look
    text       the only door from data to markup
    scale      ticks, gaps, smoothing, thinning
    chart      one figure: lines, legend, table
    causes     why a run collapsed, in words
    curves     which figures a run has
    tokens     responses coloured by credit
    headline   the result in one glance
    page       all of it, and the file
"""

from spro.report.causes import CAUSES, explain
from spro.report.page import document, write_report
from spro.report.scale import value_axis
from spro.report.text import safe, short, tag

__all__ = ["CAUSES", "document", "explain", "safe", "short", "tag", "value_axis", "write_report"]
