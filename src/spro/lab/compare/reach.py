"""What it costs to reach a target accuracy: steps, tokens, FLOPs, hours."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spro.lab.compare.records import Comparison
from spro.lab.compare.summary import Summary
from spro.lab.compare.table import Number
from spro.statistics import Reach, ratio_of_times, time_to_reach

ACCURACY = "eval/accuracy"
Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Places, rising, and the value at each."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What a curve is drawn across.

    Attributes:
        name: of its files and columns.
        across: as a figure writes it.
        form: how ``format`` writes a place on it in a table.
        spent: what a run had spent at each of its steps; empty where that was not measured.
    """

    name: str
    across: str
    form: str
    spent: Callable[[Summary], Mapping[int, float]]


def _total(metric: str) -> Callable[[Summary], Mapping[int, float]]:
    """A running total, which is 0 before the first step."""

    def spent(summary: Summary) -> Mapping[int, float]:
        own = summary.curve(metric)
        return {0: 0.0, **own} if own else {}

    return spent


STEPS = Axis("steps", "step", ".1f", lambda summary: {step: float(step) for step in summary.steps})
TOKENS = Axis("tokens", "tokens", ",.0f", _total("tokens"))
FLOPS = Axis("FLOPs", "FLOPs", ".3g", _total("total_flos"))
HOURS = Axis("hours", "hours", ".3g", lambda summary: dict(zip(summary.steps, summary.hours, strict=False)))
AXES = (STEPS, TOKENS, FLOPS, HOURS)


@dataclass(frozen=True)
class Costs:
    """What one method took to reach the target along one axis.

    Attributes:
        reach: median over seeds.
        ratio: how many times as much the baseline took, for the same seeds; see ``ratio_of_times``.
    """

    reach: Reach
    ratio: Number


def curve_along(summary: Summary, metric: str, axis: Axis) -> Curve:
    """A metric of one run along an axis, where both were measured."""
    spent = axis.spent(summary)
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
            found = ratio_of_times(theirs, [_first(curves[seed], target) for seed in shared])
            ratio = Number(found.value, found.low, found.high)
    return Costs(time_to_reach(list(curves.values()), target), ratio)


def _first(curve: Curve, target: float) -> float:
    value = time_to_reach([curve], target).value
    return math.inf if value is None else value
