"""What is drawn: each of four scores against each of three settings, once for the page and the image files."""

import math
from collections.abc import Sequence
from colorsys import hls_to_rgb
from dataclasses import dataclass

from spro.lab.oracle.config import OracleConfig
from spro.lab.oracle.panel import Across, Curve, Panel
from spro.lab.oracle.score import UNDEFINED
from spro.lab.oracle.study import Result

SCORES = (
    ("correlation", "Correlation with the true advantage", "", False, (-1.0, 1.0)),
    ("cosine", "Cosine of the expected gradient", "", False, (-1.0, 1.0)),
    ("bias", "Bias of the gradient", "best scale", True, (0.0, math.inf)),
    ("noise_ratio", "Noise of the gradient", "variance / scale\u00b2, RLOO is 1", True, (0.0, math.inf)),
)
"""Score, title, note, whether its axis is logarithmic, the least and the greatest value that it can have."""
AXES = (
    ("drift", "measured_drift", "drift", "nats a response", float),
    ("group_size", "group_size", "group size", "", math.log2),
    ("length", "length", "limit on the length", "tokens", float),
)
"""What moves, as the settings call it and as ``scores.jsonl`` does; title, unit, and where a place stands."""
SHOWN = ("spro", "grpo", "rloo", "spro_control_variate", "prime", "pure", "ppo", "vineppo")
"""Methods with a look of their own; of all methods these are drawn in images and when the page opens."""
PALETTE = ("#c65a00", "#1a66b3", "#6b7280", "#00795f", "#8d4a94", "#b8860b", "#c2185b", "#0097a7")
DASHES = ((6.0, 3.0), (2.0, 3.0))


@dataclass(frozen=True, slots=True)
class Sweep:
    """The panels along one axis.

    Attributes:
        across: the axis, which all of them share.
        panels: one a score.
    """

    across: Across
    panels: tuple[Panel, ...]


def make_sweeps(config: OracleConfig, results: Sequence[Result]) -> tuple[Sweep, ...]:
    """Along each axis the settings that differ from the base in it alone.

    Args:
        config: of the study.
        results: of all its settings.
    """
    sweeps, shown = [], shown_methods(config)
    for moving, column, counted, unit, spacing in AXES:
        fixed = {"length", "group_size", "drift"} - {moving}
        along = [r for r in results if all(getattr(r.setting, name) == getattr(config, name) for name in fixed)]
        # Two drifts that one step of training passes are one policy: the same place, with the same scores.
        at = {getattr(result.setting, column): result for result in along}
        places = tuple(sorted(at))
        across = Across(column, counted, unit, places, tuple(map(spacing, places)))
        curves = {score: _curves([at[place] for place in places], score, shown) for score, *_ in SCORES}
        panels = tuple(
            Panel(f"{score}-by-{moving}".replace("_", "-"), title, note, across, curves[score], is_log, limits)
            for score, title, note, is_log, limits in SCORES
        )
        sweeps.append(Sweep(across, panels))
    return tuple(sweeps)


def shown_methods(config: OracleConfig) -> Sequence[str]:
    """Those that are drawn in images and when the page opens, where the others are a click away: whatever was named."""
    return SHOWN if config.methods == ("all",) else config.method_names


def look_of(method: str, names: Sequence[str]) -> tuple[str, tuple[float, ...]]:
    """Color and dash: of its own for a method of ``SHOWN``, around the circle of hues for the others.

    Args:
        method: one of ``names``.
        names: all methods that were scored.
    """
    if method in SHOWN:
        return PALETTE[SHOWN.index(method)], ()
    others = [name for name in names if name not in SHOWN]
    index = others.index(method)
    red, green, blue = (round(255 * share) for share in hls_to_rgb(index / len(others), 0.46, 0.6))
    return f"#{red:02x}{green:02x}{blue:02x}", DASHES[index % 2]


def _curves(results: Sequence[Result], score: str, shown: Sequence[str]) -> tuple[Curve, ...]:
    names = [row.method for row in results[0].rows]
    found = []
    for name in names:
        rows = [next(row for row in result.rows if row.method == name) for result in results]
        color, dash = look_of(name, names)
        estimates = tuple(row.scores.get(score, UNDEFINED) for row in rows)
        found.append(Curve(name, color, dash, estimates, name in shown))
    return tuple(found)
