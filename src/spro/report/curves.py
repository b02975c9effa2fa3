"""Which figures a run has.

A metric that the run did not log, or never could measure, is left out; a figure without lines is left out with it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from spro.report.chart import Chart, Frame, Line, render_chart
from spro.report.held_out import held_out_spans
from spro.report.run import Metrics
from spro.report.scale import smoothing_window
from spro.report.text import safe, tag

TOTAL_KEY = "credit/advantage_std"
TOTAL_LOOK = 4

DIAGNOSTICS = (
    ("gradient", "Gradient norm", "before clipping", "grad_norm", False),
    ("clip", "Clipped tokens", "share outside the trust region", "clip_fraction", True),
    ("filter", "In the accuracy window", "share of the groups trained on", "filter/in_window_fraction", True),
    ("ratio", "Process over outcome", "spread of their terms of the credit", "watch/process_over_outcome", False),
    ("cap", "At the length limit", "share of the responses", "response_length/clip_ratio", True),
    ("repeated", "Repetition", "share of the n-grams that repeat one", "response/repeated_ngrams", True),
    ("kl", "Distance from the reference", "KL, nats per token", "kl", False),
    ("seconds", "Time a step", "seconds", "time/step_s", False),
)


def render_curves(metrics: Metrics) -> str:
    """The section of all figures; empty when there is nothing to draw."""
    figures = ""
    for kind, charts in _rows(metrics):
        drawn = "".join(render_chart(chart) for chart in charts if chart.lines)
        figures += tag("div", drawn, class_=f"row {kind}") if drawn else ""
    if not figures:
        return ""
    intro = "Point at a figure for its values; with the keyboard, enter it and use the arrow keys."
    window = smoothing_window(len(metrics.steps))
    if window:
        intro = f"Thin lines show every step, thick ones the mean of {window} neighbouring steps. {intro}"
    return tag("section", tag("h2", "Curves") + tag("p", safe(intro), class_="intro") + figures, id="curves")


def run_charts(metrics: Metrics) -> list[Chart]:
    """Every figure of the page, in its order."""
    return [chart for _, charts in _rows(metrics) for chart in charts if chart.lines]


def _rows(metrics: Metrics) -> tuple[tuple[str, list[Chart]], ...]:
    frame = Frame((metrics.steps[0], metrics.steps[-1]), smoothing_window(len(metrics.steps)))
    return (
        ("large", [_accuracy(metrics, frame)]),
        ("middle", [_length(metrics, frame), _entropy(metrics, frame), _credit(metrics, frame)]),
        ("small", _diagnostics(metrics, frame)),
    )


def _accuracy(metrics: Metrics, frame: Frame) -> Chart:
    spans = held_out_spans(metrics)
    lines = _lines(
        metrics,
        ("training, sampled", "accuracy", False),
        ("held-out", "eval/accuracy", True),
        ("held-out, greedy", "eval/greedy_accuracy", True),
        spans={"eval/accuracy": spans},
    )
    unit = "share of correct responses" + ("; band: 95 % interval of the held-out measurement" if spans else "")
    return Chart("accuracy", "Accuracy", unit, lines, frame, height=280, share=True)


def _length(metrics: Metrics, frame: Frame) -> Chart:
    wanted = (("training", "response_length/mean", False), ("held-out", "eval/response_length/mean", True))
    return Chart("length", "Response length", "tokens, mean", _lines(metrics, *wanted), frame)


def _entropy(metrics: Metrics, frame: Frame) -> Chart:
    lines = _lines(metrics, ("training", "entropy", False))
    return Chart("entropy", "Entropy", "nats per token", lines, frame)


def _credit(metrics: Metrics, frame: Frame) -> Chart:
    terms = [key for key in metrics.keys if re.fullmatch("credit/.+_std", key) and key != TOTAL_KEY]
    lines = _lines(metrics, *((key.removeprefix("credit/").removesuffix("_std"), key, False) for key in terms))
    # The total keeps one look whatever the number of terms, so two reports can be laid side by side.
    total = (replace(line, look=TOTAL_LOOK) for line in _lines(metrics, ("total advantage", TOTAL_KEY, False)))
    unit = "standard deviation over the tokens of a batch"
    return Chart("credit-spread", "Credit spread", unit, (*lines, *total), frame)


def _diagnostics(metrics: Metrics, frame: Frame) -> list[Chart]:
    return [
        Chart(name, title, unit, _lines(metrics, (title.lower(), key, False)), frame, height=90, share=share)
        for name, title, unit, key, share in DIAGNOSTICS
    ]


def _lines(
    metrics: Metrics,
    *wanted: tuple[str, str, bool],
    spans: Mapping[str, Mapping[float, tuple[float, float]]] | None = None,
) -> tuple[Line, ...]:
    lines: list[Line] = []
    for place, (label, key, marked) in enumerate(wanted):
        series = metrics.series(key)
        if series.points:
            lines.append(Line(label, key, series, place % TOTAL_LOOK, marked, (spans or {}).get(key, {})))
    return tuple(lines)
