"""The tables of a comparison: pure functions of its summaries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from spro.lab.compare.config import run_name
from spro.lab.compare.reach import AXES, FLOPS, HOURS, STEPS, TOKENS, Axis, Costs, costs_of, pick_target
from spro.lab.compare.records import Comparison, State
from spro.lab.compare.scores import GREEDY, Board, Measure, accuracy, make_board, sampled
from spro.lab.compare.summary import Summary
from spro.lab.compare.table import Cell, Column, Number, Table
from spro.statistics import Difference, column_difference, holm, seed_band

BASE_TITLE = "base model"
SIGNIFICANT = 0.05
TENTH = 10
"""A start and an end are the means of the first and of the last of so many parts of a run."""
Part = Callable[[Sequence[float], int], Sequence[float]]
"""(all values of a run, how many of them) -> so many of them."""
PARTS: Mapping[str, Part] = {
    "start": lambda values, size: values[:size],
    "end": lambda values, size: values[-size:],
}
TABLES = ("table1", "table1-sampled", "differences", "cost", "behaviour", "runs", "hours")
"""Names of all tables that there may be."""


@dataclass(frozen=True)
class Tested:
    """One method minus another, for the seeds that both came to the end with.

    Attributes:
        difference: of the mean of the columns' means, in [-1, 1].
        p_holm: corrected for all tests of the comparison.
    """

    label: str
    other: str
    seeds: int
    difference: Difference
    p_holm: float

    @property
    def is_significant(self) -> bool:
        """Whether it is distinguishable from none."""
        return self.p_holm < SIGNIFICANT

    @property
    def points(self) -> Number:
        """The difference in percentage points."""
        return Number(100 * self.difference.value, 100 * self.difference.low, 100 * self.difference.high)


@dataclass(frozen=True)
class Results:
    """All that is said of a comparison.

    Attributes:
        comparison: of which.
        sampled: final scores; None where no run came to its end.
        greedy: the same of greedy answers; None where they were not asked for.
        tests: all pairs, those with the baseline first.
        target: the accuracy whose cost is asked for; None where the baseline has no run.
        costs: axis -> label -> what it took.
    """

    comparison: Comparison
    sampled: Board | None
    greedy: Board | None
    tests: tuple[Tested, ...]
    target: float | None
    costs: Mapping[Axis, Mapping[str, Costs]]


def find_results(comparison: Comparison) -> Results:
    """Every number of the comparison.

    Raises:
        RunFolderError: see ``make_board``.
    """
    final = comparison.config.evaluate
    board = make_board(comparison, sampled(final.samples))
    greedy = make_board(comparison, GREEDY) if final.greedy else None
    target = pick_target(comparison)
    costs: dict[Axis, dict[str, Costs]] = {}
    for axis in AXES:
        found = {} if target is None else {one: costs_of(comparison, one, axis, target) for one in comparison.labels}
        costs[axis] = {label: cost for label, cost in found.items() if cost is not None}
    tests = () if board is None else _tests(comparison, board)
    return Results(comparison, board, greedy, tests, target, costs)


def _tests(comparison: Comparison, board: Board) -> tuple[Tested, ...]:
    reference = comparison.config.reference
    others = [label for label in comparison.labels if label != reference]
    pairs = [(label, reference) for label in others if reference in comparison.labels]
    pairs += [(other, label) for label, other in combinations(others, 2)]
    found: list[tuple[str, str, int, Difference]] = []
    for label, other in pairs:
        shared = comparison.seeds(label, other)
        if shared:
            a, b = (_rows(board, one, shared) for one in (label, other))
            found.append((label, other, len(shared), column_difference(a, b, board.sources)))
    corrected = holm([difference.p_value for *_, difference in found])
    return tuple(Tested(*one, p) for one, p in zip(found, corrected, strict=True))


def _rows(board: Board, label: str, seeds: tuple[int, ...]) -> np.ndarray:
    return board.scores[label][[board.seeds[label].index(seed) for seed in seeds]]


def make_tables(results: Results) -> tuple[Table, ...]:
    """All that have something to say; those of hours last, since hours depend on the machine."""
    boards = [board for board in (results.greedy, results.sampled) if board is not None]
    tables = [accuracy_table(results.comparison, board) for board in boards]
    tables += [differences_table(results), *([cost_table(results)] if results.target is not None else [])]
    tables += [behaviour_table(results.comparison), runs_table(results.comparison), hours_table(results)]
    return tuple(table for table in tables if table.rows)


def accuracy_table(comparison: Comparison, board: Board) -> Table:
    """The paper's Table 1 for what was run: a row a method, a column a data source, and their mean."""
    columns = [Column(source, ".1f", True) for source in board.columns]
    columns.append(Column("Avg.", ".1f", True))
    rows: list[tuple[Cell, ...]] = []
    models = {BASE_TITLE: board.base[None]} if board.base is not None else {}
    models |= {label: board.scores[label] for label in comparison.labels}
    for title, scores in models.items():
        own = [accuracy(scores[:, board.members(column)]) for column in board.columns]
        seeds = "" if title == BASE_TITLE else _count(len(scores), len(comparison.config.seeds))
        rows.append((title, seeds, *own, accuracy(scores, board.sources)))
    for label in comparison.config.labels:
        if label not in models:
            seeds = _count(0, len(comparison.config.seeds))
            rows.append((label, seeds, *(None for _ in board.columns), state_of(comparison, label)))
    note = (
        f"{len(board.sources)} held-out problems, {board.measure.answers} to each. Mean over seeds and, in brackets, "
        "its 95 % interval."
    )
    if comparison.lone:
        note += f" Of one seed ({', '.join(comparison.lone)}) it is for other problems and not for other seeds."
    if len(board.columns) > 1:
        note += " Avg. is the mean of the columns."
    if board.dropped:
        note += f" {board.dropped} problems are left out: some model has no answer to them that could be graded."
    heads = (Column("method"), Column("seeds"), *columns)
    return Table(board.measure.table, board.measure.title, heads, tuple(rows), note)


def state_of(comparison: Comparison, label: str) -> State:
    """Of a method without a result: failed if any of its runs has, since the others are still to come."""
    has_failed = any(one.state is State.FAILED for one in comparison.absent[label].values())
    return State.FAILED if has_failed else State.NOT_RUN


def _count(done: int, wanted: int) -> str:
    return str(done) if done == wanted else f"{done} of {wanted}"


def differences_table(results: Results) -> Table:
    """Every pair of methods, by the final sampled accuracy."""
    rows = tuple(
        (
            f"{one.label} - {one.other}",
            Number(float(one.seeds)),
            one.points,
            Number(one.difference.p_value),
            Number(one.p_holm),
            "yes" if one.is_significant else "no",
        )
        for one in results.tests
    )
    columns = (
        Column("difference"),
        Column("seeds", ".0f"),
        Column("points", "+.1f", True),
        Column("p", "p"),
        Column("p, corrected", "p"),
        Column("beyond chance"),
    )
    note = (
        "In percentage points of Avg., the mean score of the sampled answers; paired by seed and problem, both taken "
        "as drawn by chance. "
        f"{_tests_made(len(rows))}"
    )
    return Table("differences", "Differences in final accuracy", columns, rows, note)


def _tests_made(count: int) -> str:
    if count == 1:
        return "One comparison was made, which needs no correction."
    return f"{count} comparisons were made; p is corrected for their number by Holm's method."


def cost_table(results: Results) -> Table:
    """What it took to reach the target, in what does not depend on the machine."""
    axes = [axis for axis in AXES if axis is not HOURS and results.costs[axis]]
    columns: list[Column] = [Column("method"), Column("reached")]
    for axis in axes:
        columns.append(Column(axis.name, axis.form, True, "not reached"))
        columns.append(_ratio_column(results, axis))
    rows = []
    for label in results.comparison.labels:
        cells: list[Cell] = []
        for axis in axes:
            cells += _cost_cells(results.costs[axis].get(label))
        own = results.costs[STEPS].get(label)
        rows.append((label, "" if own is None else f"{own.reach.reached} of {own.reach.runs}", *cells))
    target = results.target or 0.0
    note = (
        f"{_target_origin(results)} In brackets a 95 % bootstrap interval over seeds; of less than six seeds that is "
        "no more than their range. A run that never got there counts as later than any that did. Above 1 the baseline "
        "took more."
    )
    return Table(
        "cost", f"To reach a sampled held-out accuracy of {100 * target:.1f} %", tuple(columns), tuple(rows), note
    )


def _ratio_column(results: Results, axis: Axis) -> Column:
    """How many times as much the baseline took; where it may never have got there, that has no bound."""
    title = f"{axis.name}, {results.comparison.config.reference} / method"
    return Column(title, ".2f", True, endless="no bound")


def _target_origin(results: Results) -> str:
    if results.comparison.config.target_accuracy is not None:
        return "The target is that of the settings."
    return (
        f"The target is the highest that every run of {results.comparison.config.reference} came to at some evaluation."
    )


def _cost_cells(costs: Costs | None) -> list[Cell]:
    if costs is None:
        return [None, None]
    reach = costs.reach
    if reach.value is None:
        return [None, costs.ratio]
    # One seed has no interval.
    ends = (None, None) if reach.runs == 1 else (reach.low, reach.high)
    return [Number(reach.value, *ends), costs.ratio]


def hours_table(results: Results) -> Table:
    """What a run took by the clock, and to the target."""
    rows = []
    for label in results.comparison.labels:
        runs = results.comparison.runs[label].values()
        whole = over_seeds([run.hours[-1] for run in runs if run.hours])
        rows.append((label, whole, *_cost_cells(results.costs[HOURS].get(label))))
    columns = (
        Column("method"),
        Column("hours a run", HOURS.form, True),
        Column("hours to the target", HOURS.form, True, "not reached"),
        _ratio_column(results, HOURS),
    )
    note = "By the clock of this machine, with whatever else ran on it; evaluations left out. Not to be reproduced."
    return Table("hours", "Hours", columns, tuple(rows), note)


def behaviour_table(comparison: Comparison) -> Table:
    """Response length and entropy at the start and at the end of training."""
    wanted = (("response length", "response_length/mean", ".1f"), ("entropy", "entropy", ".3f"))
    columns = [Column("method")]
    columns += [Column(f"{title}, {when}", form, True) for title, _, form in wanted for when in PARTS]
    rows = []
    for label in comparison.labels:
        runs = list(comparison.runs[label].values())
        cells = [over_seeds(_means(runs, metric, part)) for _, metric, _ in wanted for part in PARTS.values()]
        rows.append((label, *cells))
    note = (
        "Tokens a response and nats a token, while training: means over the first and the last tenth of the steps, and "
        "over seeds with a 95 % interval."
    )
    return Table("behaviour", "Response length and entropy", tuple(columns), tuple(rows), note)


def _means(runs: list[Summary], metric: str, part: Part) -> list[float]:
    """Of each run that has the metric its mean over a part of the steps."""
    found = []
    for run in runs:
        values = list(run.curve(metric).values())
        chosen = part(values, max(1, len(values) // TENTH))
        found += [sum(chosen) / len(chosen)] if chosen else []
    return found


def over_seeds(values: list[float]) -> Number | None:
    """Mean of one number a seed, 0 or more, with its bootstrap interval, which one seed does not have."""
    if not values:
        return None
    band = seed_band(np.array(values)[:, None])
    return Number(band.mean[0], max(0.0, band.low[0]), band.high[0]) if len(values) > 1 else Number(band.mean[0])


def runs_table(comparison: Comparison) -> Table:
    """Every run, what became of it and what it spent."""
    samples = comparison.config.evaluate.samples
    rows: list[tuple[Cell, ...]] = []
    for label in comparison.config.labels:
        for seed in comparison.config.seeds:
            run = comparison.runs[label].get(seed)
            if run is None:
                absence = comparison.absent[label][seed]
                state = f"{absence.state.value}: {absence.reason}" if absence.reason else absence.state.value
                rows.append((run_name(label, seed), None, None, None, None, state))
                continue
            shares = [_share(run, measure) for measure in (sampled(samples), GREEDY)]
            spent = [Number(run.series[name][-1]) if name in run.series else None for name in ("tokens", "total_flos")]
            rows.append((run_name(label, seed), *shares, *spent, run.collapse or "finished"))
    columns = (
        Column("run"),
        Column(f"avg@{samples}, %", ".1f"),
        Column("greedy pass@1, %", ".1f"),
        Column("tokens", TOKENS.form),
        Column("FLOPs", FLOPS.form),
        Column("state"),
    )
    return Table("runs", "All runs", columns, tuple(rows))


def _share(run: Summary, measure: Measure) -> Number | None:
    """Mean over the problems that it was graded on, in percent."""
    scores = [score for score in map(measure.score, run.scores) if score is not None]
    return Number(100 * sum(scores) / len(scores)) if scores else None
