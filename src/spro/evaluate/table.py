"""The numbers as text: aligned tables for the terminal."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spro.evaluate.numbers import Numbers
from spro.evaluate.result import Result
from spro.statistics import Estimate

UNBOUNDED = 10_000
"""Characters; more than any table has."""
AVERAGE, ALL = "average of columns", "all problems"
"""The last rows, where there are several columns."""


def print_result(title: str, result: Result, notes: Iterable[str]) -> None:
    """One row a column of the suite, then their average and all problems together; then what there is to know."""
    names = _shown(result.pooled)
    rows = [[column, *_cells(numbers, names)] for column, numbers in result.columns.items()]
    if len(result.columns) > 1:
        cells = [written(result.average.get(name)) for name in names]
        rows += [[AVERAGE, "", *cells, "", ""], [ALL, *_cells(result.pooled, names)]]
    print_table(
        f"{title}: percent, with 95 % intervals over problems", ["problems", *names, "unscored", "at limit"], rows
    )
    for line in [*_missing(result.pooled), *notes]:
        print(line)


def _shown(numbers: Numbers) -> list[str]:
    """All metrics, but pass@1 where it is avg@k: where no answer is right in part."""
    average = [written(estimate) for name, estimate in numbers.metrics.items() if name.startswith("avg@")]
    return [name for name, one in numbers.metrics.items() if name != "pass@1" or written(one) not in average]


def _cells(numbers: Numbers, names: Sequence[str]) -> list[str]:
    estimates = [written(numbers.metrics.get(name), numbers.problems) for name in names]
    return [str(numbers.problems), *estimates, str(numbers.unscored), f"{numbers.cut_share:.0%}"]


def _missing(numbers: Numbers) -> list[str]:
    if not numbers.without_score:
        return []
    named = ", ".join(numbers.without_score[:3]) + (", ..." if len(numbers.without_score) > 3 else "")
    return [
        f"{len(numbers.without_score)} problems have no answer that could be graded, and count in no share: {named}"
    ]


def written(estimate: Estimate | None, problems: int | None = None) -> str:
    """``41.2 [38.0, 44.5]``, behind it the number of problems where it is not the ``problems`` of the row."""
    if estimate is None:
        return "-"
    fewer = f" (n={estimate.n})" if problems is not None and estimate.n != problems else ""
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]{fewer}"


def print_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A line above, then a row each, whose first cell names it.

    As wide as its numbers, whatever the terminal is: a number that is cut off is another one.
    """
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        # As text: a name in brackets is no markup.
        table.add_row(*map(Text, row))
    print(title)
    console = Console(width=UNBOUNDED, highlight=False)
    console.width = console.measure(table).maximum
    console.print(table)
