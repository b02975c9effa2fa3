"""The measures as text, for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from spro.lab.microscope.measure import Measure
from spro.lab.microscope.record import Findings

HEADINGS = {
    "pearson": "corr.",
    "pearson_inside": "inside",
    "spearman": "rank",
    "spearman_inside": "rank in.",
    "sign": "sign",
    "sign_inside": "sign in.",
    "silent": "silent",
}
"""Measure -> heading of its column."""
WIDTH = 150
SENTENCES = 3


def print_findings(findings: Findings) -> None:
    """A table for each truth, the methods whose advantages correlate best first, and what to look at."""
    console = Console(width=WIDTH, highlight=False, markup=False)
    for truth in findings.rollouts.truths:
        mine = [measure for measure in findings.measures if measure.truth == truth.name]
        table = Table(box=box.SIMPLE_HEAD, title=truth.title, title_justify="left", title_style="bold")
        table.add_column("method", no_wrap=True)
        for heading in HEADINGS.values():
            table.add_column(heading, justify="right", no_wrap=True)
        for method in ranked(mine):
            found = {measure.name: measure for measure in mine if measure.method == method}
            table.add_row(method, *(written(found.get(name)) for name in HEADINGS))
        console.print(table)
    for name, why in findings.choice.left_out.items():
        console.print(f"left out: {name} {why}")
    for note in findings.rollouts.notes:
        console.print(note)
    first = sorted(findings.disagreements, key=lambda one: -one.score)[:SENTENCES]
    for one in first:
        if one.sentence:
            console.print(" ".join(one.sentence.split()))


def ranked(measures: Sequence[Measure]) -> list[str]:
    """Methods by falling correlation; those without one last."""
    values = {measure.method: measure.agreement.value for measure in measures if measure.name == "pearson"}
    return sorted(values, key=lambda method: -_number(values[method]))


def _number(value: float | None) -> float:
    return -2.0 if value is None else value


def written(measure: Measure | None) -> str:
    """``0.42 0.31..0.52``, or a dash for what has no meaning."""
    if measure is None or measure.agreement.value is None:
        return "-"
    found = measure.agreement
    interval = "" if found.low is None or found.high is None else f" {found.low:.2f}..{found.high:.2f}"
    return f"{found.value:.2f}{interval}"
