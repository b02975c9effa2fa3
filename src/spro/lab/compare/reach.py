"""What it costs to reach a target accuracy: steps, tokens, FLOPs, hours."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spro.lab.compare.records import Comparison
from spro.lab.compare.summary import Summary
from spro.lab.compare.table import Number
from spro.statistics import Reach, time_to_reach

ACCURACY = "eval/accuracy"
RESAMPLES = 10_000
Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Places, rising, and the value at each."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What a curve is drawn across.

    Attributes:
        name: of its files and columns.
        across: as a figure writes it.
        metric: whose running total it is; None for the steps, empty for the hours.
    """

    name: str
    across: str
    metric: str | None


STEPS = Axis("steps", "step", None)
TOKENS = Axis("tokens", "tokens", "tokens")
FLOPS = Axis("FLOPs", "FLOPs", "total_flos")
HOURS = Axis("hours", "hours", "")
AXES = (STEPS, TOKENS, FLOPS, HOURS)


@dataclass(frozen=True)
class Costs:
    """What one method took to reach the target along one axis.

    Attributes:
        reach: median over seeds.
        ratio: how many times as much the baseline took, for the same seeds; no value where either did not reach it.
    """

    reach: Reach
    ratio: Number


def curve_along(summary: Summary, metric: str, axis: Axis) -> Curve:
    """A metric of one run along an axis, where both were measured; 0 of everything is spent before the first step."""
    if axis.metric is None:
        spent: Mapping[int, float] = {step: float(step) for step in summary.steps}
    elif axis.metric == "":
        spent = dict(zip(summary.steps, summary.hours, strict=False))
    else:
        own = summary.curve(axis.metric)
        spent = {0: 0.0, **own} if own else {}
    places: list[float] = []
    values: list[float] = []
    for step, value in summary.curve(metric).items():
        # A step that trained on nothing spends nothing that shows in six digits.
        if step in spent and (not places or spent[step] > places[-1]):
            places.append(spent[step])
            values.append(value)
    return tuple(places), tuple(values)


def pick_target(comparison: Comparison) -> float | None:
    """The target of the settings, or the highest accuracy that every run of the baseline came to at some evaluation.

    Not the baseline's mean: about half of its own runs would never reach that, and there were nothing to hold against.
    """
    if comparison.config.target_accuracy is not None:
        return comparison.config.target_accuracy
    curves = [run.curve(ACCURACY) for run in comparison.runs[comparison.config.reference].values()]
    return min((max(curve.values()) for curve in curves if curve), default=None)


def costs_of(comparison: Comparison, label: str, axis: Axis, target: float) -> Costs | None:
    """What a method took, and its ratio to the baseline; None where the axis was not measured."""
    curves = {seed: curve_along(run, ACCURACY, axis) for seed, run in comparison.runs[label].items()}
    if not curves or not all(places for places, _ in curves.values()):
        return None
    reference = comparison.config.reference
    shared = comparison.seeds(label, reference)
    ratio = Number(None)
    if shared and label != reference:
        others = [curve_along(comparison.runs[reference][seed], ACCURACY, axis) for seed in shared]
        if all(places for places, _ in others):
            theirs = [_first(curve, target) for curve in others]
            ratio = ratio_of(theirs, [_first(curves[seed], target) for seed in shared])
    return Costs(time_to_reach(list(curves.values()), target), ratio)


def _first(curve: Curve, target: float) -> float:
    value = time_to_reach([curve], target).value
    return math.inf if value is None else value


def ratio_of(theirs: list[float], own: list[float], seed: int = 0) -> Number:
    """Median of ``theirs`` over median of ``own`` with its bootstrap interval; seeds are resampled in pairs.

    A run that never got there counts as infinity. Where neither did, anything may be true, and so the interval has
    no end on either side. Of less than six seeds it is about the range of what they say.

    Args:
        theirs: of each seed what the baseline took.
        own: of the same seeds what the method took.
        seed: of the resampling.
    """
    a, b = np.array(theirs), np.array(own)
    drawn = np.random.default_rng(seed).integers(0, len(a), (RESAMPLES, len(a)))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(np.median(a) / np.median(b))
        ratios = np.median(a[drawn], axis=1) / np.median(b[drawn], axis=1)
    low = np.quantile(np.nan_to_num(ratios, nan=0.0, posinf=math.inf), 0.025, method="inverted_cdf")
    high = np.quantile(np.nan_to_num(ratios, nan=math.inf, posinf=math.inf), 0.975, method="inverted_cdf")
    if not math.isfinite(value) or value == 0:
        return Number(None)
    if len(a) == 1:
        return Number(value)
    return Number(value, _finite(low), _finite(high))


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
