"""Results of a study that nobody ran."""

import math
import random

from spro.lab.oracle.config import OracleConfig
from spro.lab.oracle.panel import Across, Curve, Panel
from spro.lab.oracle.score import COLUMNS, Estimate
from spro.lab.oracle.study import Result, Row, Setting
from spro.lab.oracle.sweeps import SHOWN, look_of

METHODS = ("grpo", "opo", "rloo", "spro")
"""Of which the page shows all at once but ``opo``."""
CONFIG = OracleConfig(lengths=(4,), group_sizes=(2, 16), drifts=(0.0, 0.01, 0.02))


def result_of(length: int = 6, group_size: int = 4, drift: float = 1.0, measured: float = 1.0078125) -> Result:
    """Scores that are drawn for this setting alone."""
    draw = random.Random(f"{length} {group_size} {measured}")
    setting = Setting(length, group_size, drift, measured, accuracy=0.5, mean_length=3.0, prm_auc=0.9)
    rows = []
    for name in METHODS:
        scores = {score: Estimate(draw.uniform(0.1, 1.0), draw.uniform(0.0, 0.2)) for score in COLUMNS}
        scores["bias"] = Estimate(draw.uniform(0.0, 0.2), 0.01, draw.uniform(0.0, 0.2))
        rows.append(Row(name, "", scores))
    return Result(setting, tuple(rows))


def study() -> list[Result]:
    """All settings of ``CONFIG``, out of order; one step of training passed the drifts 0.01 and 0.02."""
    base = [result_of(), result_of(length=4, measured=1.25), result_of(group_size=16), result_of(group_size=2)]
    reached = ((0.02, 0.1), (0.01, 0.1), (0.0, 0.0))
    return base + [result_of(drift=drift, measured=measured) for drift, measured in reached]


ANY = (-math.inf, math.inf)


def panel_of(
    is_log: bool = True,
    places: tuple[float, ...] = (0.0, 0.5),
    limits: tuple[float, float] = ANY,
    **estimates: tuple[Estimate, ...],
) -> Panel:
    """A panel with one curve a keyword."""
    curves = tuple(
        Curve(name, *look_of(name, list(estimates)), found, name in SHOWN) for name, found in estimates.items()
    )
    across = Across("measured_drift", "drift", "nats a response", places, places)
    return Panel("bias-by-drift", "Bias", "best scale", across, curves, is_log, limits)
