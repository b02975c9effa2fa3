"""The scores as text: an aligned table for the terminal, a line of JSON a row for the file."""

import json
import math

from rich import box
from rich.console import Console
from rich.table import Table

from spro.lab.oracle.score import Estimate
from spro.lab.oracle.study import Result, Row, Setting

HEADINGS = {
    "correlation": "corr.",
    "inside": "inside",
    "sign": "sign",
    "silent": "silent",
    "cosine": "cosine",
    "bias": "bias",
    "scale": "scale",
    "noise": "noise",
    "noise_ratio": "/RLOO",
}
"""Score -> heading of its column; the file has all scores."""
WIDTH = 150
"""Characters; wide enough for every column, whatever the terminal is."""


def print_table(result: Result) -> None:
    """The scores of one setting, the methods whose advantages correlate best first."""
    table = Table(box=box.SIMPLE_HEAD, title=describe(result.setting), title_justify="left", title_style="bold")
    table.add_column("method", no_wrap=True)
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("is given", no_wrap=True)
    for row in ranked(result):
        table.add_row(row.method, *(written(row.scores[name]) for name in HEADINGS), row.given)
    Console(width=WIDTH, highlight=False).print(table)


def ranked(result: Result) -> list[Row]:
    """Rows by falling correlation; those without one last."""

    def key(row: Row) -> float:
        correlation = row.scores["correlation"].value
        return math.inf if correlation is None else -correlation

    return sorted(result.rows, key=key)


def describe(setting: Setting) -> str:
    """The setting in one line."""
    return (
        f"length {setting.length}, group size {setting.group_size}, drift {setting.measured_drift:.2f} nats, "
        f"accuracy {setting.accuracy:.3f}, {setting.mean_length:.1f} tokens a response"
    )


def written(estimate: Estimate) -> str:
    """A number with as many decimals as its error allows; ``<0.03`` for a bias that cannot be told from 0."""
    if estimate.value is None:
        return "-"
    if estimate.is_floored:
        return f"<{estimate.floor:.2f}"
    error = estimate.error or 0.0
    decimals = 2 if error >= 0.02 or abs(estimate.value) >= 10 else 3
    return f"{estimate.value:.{1 if abs(estimate.value) >= 100 else decimals}f}"


def json_lines(result: Result, base: bool) -> str:
    """One line a method: the setting, then each score, its standard error and, of a bias, its floor."""
    facts = {
        "base": base,
        **{name: _finite(value) for name, value in vars(result.setting).items()},
    }
    lines = []
    for row in result.rows:
        record: dict[str, object] = {"method": row.method, "given": row.given, **facts}
        for name, estimate in row.scores.items():
            record[name] = estimate.value
            record[f"{name}_se"] = estimate.error
            if name.endswith("bias"):
                record[f"{name}_floor"] = estimate.floor
        lines.append(json.dumps(record))
    return "\n".join(lines) + "\n"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
