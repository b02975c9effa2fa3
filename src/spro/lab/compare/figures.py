"""The figures of a comparison: the paper's Figures 1, 4 and 5 for what was run, and the same curves by other costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spro.lab.compare.reach import ACCURACY, FLOPS, HOURS, STEPS, TOKENS, Axis, Curve, curve_along
from spro.lab.compare.records import Comparison
from spro.report import Chart, Frame, Line, Series, smoothing_window
from spro.statistics import Band, seed_band

LOOKS = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure that is drawn where it was measured.

    Attributes:
        measured_seldom: at some steps; a mark at each.
    """

    name: str
    title: str
    unit: str
    metric: str
    axis: Axis = STEPS
    share: bool = False
    measured_seldom: bool = False
    height: int = 210


SHARE = "share of correct answers to held-out problems"
FIGURES = (
    Wanted("figure1", "Accuracy by step", SHARE, ACCURACY, STEPS, True, True, 280),
    Wanted("figure4a", "Accuracy by hours", f"{SHARE}; hours of this machine", ACCURACY, HOURS, True, True),
    Wanted("figure4b", "Accuracy by step, beside the hours", SHARE, ACCURACY, STEPS, True, True),
    Wanted("accuracy-tokens", "Accuracy by tokens", SHARE, ACCURACY, TOKENS, True, True),
    Wanted("accuracy-flops", "Accuracy by compute", SHARE, ACCURACY, FLOPS, True, True),
    Wanted("accuracy-greedy", "Greedy accuracy by step", SHARE, "eval/greedy_accuracy", STEPS, True, True),
    Wanted("figure5a", "Response length", "tokens a response, while training", "response_length/mean"),
    Wanted("figure5b", "Entropy", "nats a token, while training", "entropy"),
    Wanted("gradient", "Gradient norm", "before clipping", "grad_norm"),
    Wanted("training", "Accuracy while training", "share of all sampled answers", "accuracy", STEPS, True),
)


def make_charts(comparison: Comparison) -> tuple[Chart, ...]:
    """Every figure that has a line."""
    charts = (_chart(comparison, wanted) for wanted in FIGURES)
    return tuple(chart for chart in charts if chart.lines)


def _chart(comparison: Comparison, wanted: Wanted) -> Chart:
    curves: dict[str, list[Curve]] = {}
    for label in comparison.labels:
        runs = [comparison.runs[label][seed] for seed in comparison.seeds(label)]
        own = [curve_along(run, wanted.metric, wanted.axis) for run in runs]
        if all(places for places, _ in own):
            curves[label] = own
    grid = None if wanted.axis is STEPS else common_grid(list(curves.values()))
    lines: list[Line] = []
    for label, own in curves.items():
        places, table = on_common_places(own, grid)
        if places:
            series, spans = _drawn(places, seed_band(table), len(own), 1.0 if wanted.share else math.inf)
            look = comparison.config.labels.index(label) % LOOKS
            lines.append(Line(label, wanted.metric, series, look, wanted.measured_seldom, spans))
    every = [place for line in lines for place in line.series.places] or [0.0]
    longest = max((len(line.series.places) for line in lines), default=0)
    window = 0 if wanted.measured_seldom else smoothing_window(longest)
    unit = wanted.unit + ("; band: 95 % interval of the mean over seeds" if any(line.spans for line in lines) else "")
    frame = Frame((min(every), max(every)), window, wanted.axis.across, source=f"figures/{wanted.name}.csv")
    return Chart(wanted.name, wanted.title, unit, tuple(lines), frame, height=wanted.height, share=wanted.share)


def _drawn(
    places: Sequence[float], band: Band, seeds: int, most: float
) -> tuple[Series, dict[float, tuple[float, float]]]:
    series = Series(tuple(places), band.mean)
    if seeds == 1:
        return series, {}
    ends = zip(places, band.low, band.high, strict=True)
    # The bootstrap does not know that nothing of this is below 0, or above what it can be at most.
    return series, {place: (max(0.0, low), min(most, high)) for place, low, high in ends}


def common_grid(methods: Sequence[Sequence[Curve]]) -> list[float]:
    """Places for curves that were measured at others, the same for all methods, so that one cursor reads them all.

    As many as the longest curve has measurements, evenly over what any method's seeds all reach.
    """
    ranges = [_range(curves) for curves in methods]
    if not ranges:
        return []
    count = max(len(places) for curves in methods for places, _ in curves)
    found = np.linspace(min(first for first, _ in ranges), max(last for _, last in ranges), count)
    return [float(f"{place:.6g}") for place in found]


def on_common_places(curves: Sequence[Curve], grid: Sequence[float] | None) -> tuple[list[float], np.ndarray]:
    """Curves of several seeds at the same places, float [S, P].

    Args:
        curves: one a seed.
        grid: keep of it what lies in the range that all seeds reach, and where that ends; each curve is a line between
            its measurements. None: the places that all have, as with steps.
    """
    if grid is None:
        shared = sorted(set.intersection(*(set(places) for places, _ in curves)))
        by_place = [dict(zip(places, values, strict=True)) for places, values in curves]
        return shared, np.array([[values[place] for place in shared] for values in by_place])
    first, last = _range(curves)
    kept = sorted({*(place for place in grid if first <= place <= last), *([last] if first <= last else [])})
    return kept, np.array([np.interp(kept, places, values) for places, values in curves])


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    return max(places[0] for places, _ in curves), min(places[-1] for places, _ in curves)
