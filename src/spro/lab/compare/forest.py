"""The final result of a comparison as one figure, of the numbers that stand in its tables."""

from collections.abc import Mapping

from spro.lab.compare.figures import LOOKS
from spro.lab.compare.records import Comparison
from spro.lab.compare.results import Results, Tested, state_of
from spro.lab.compare.scores import Board, accuracy
from spro.lab.compare.table import Column, Number, shown
from spro.report import Forest, ForestRow, Whisker

NAME = "final"
ACCURACY, POINTS = Column("accuracy", ".1f", True), Column("points", "+.1f", True)


def make_forest(results: Results) -> Forest | None:
    """What every method came to, and by how much it differs from the baseline.

    None where there is nothing to measure: no run came to its end, or no problem was graded for every model.
    """
    board, comparison = results.sampled, results.comparison
    if board is None or not comparison.labels:
        return None
    tests = {one.label: one for one in results.tests if one.other == comparison.config.reference}
    rows = tuple(_row(comparison, board, label, tests) for label in comparison.config.labels)
    measure = f"avg@{comparison.config.evaluate.samples}, %"
    return Forest(NAME, board.measure.title, _note(results, board, bool(tests)), measure, rows)


def _row(comparison: Comparison, board: Board, label: str, tests: Mapping[str, Tested]) -> ForestRow:
    look = comparison.config.labels.index(label) % LOOKS
    if label not in comparison.labels:
        absent = dict.fromkeys(comparison.config.seeds)
        return ForestRow(label, look, str(state_of(comparison, label).value), "", absent)
    scores, sources = board.scores[label], board.sources
    done = {seed: accuracy(scores[[row]], sources).value for row, seed in enumerate(board.seeds[label])}
    seeds = {seed: done.get(seed) for seed in comparison.config.seeds}
    number = accuracy(scores, sources)
    final = _whisker(number, shown(number, ACCURACY), len(scores))
    return ForestRow(label, look, final, _difference(comparison, label, tests), seeds)


def _difference(comparison: Comparison, label: str, tests: Mapping[str, Tested]) -> Whisker | str:
    """From the baseline, by the seeds that both have; or what there is in its place."""
    reference = comparison.config.reference
    if label in tests:
        test = tests[label]
        text = shown(test.points, POINTS)
        behind = max(len(comparison.seeds(one)) for one in (label, reference))
        if test.seeds < behind:
            text += f", {test.seeds} seed{'s' if test.seeds > 1 else ''}"
        return _whisker(test.points, text, test.seeds)
    if not tests:
        return ""
    return "baseline" if label == reference else "no seed in common"


def _whisker(number: Number, text: str, seeds: int) -> Whisker:
    """Of a number that has both ends, as accuracies and differences have."""
    value, low, high = (end for end in (number.value, number.low, number.high) if end is not None)
    return Whisker(value, low, high, text, seeds)


def _note(results: Results, board: Board, is_tested: bool) -> str:
    comparison, columns = results.comparison, len(board.columns)
    parts = [f"Avg., the mean of {columns} columns." if columns > 1 else ""]
    if set(comparison.lone) == set(comparison.labels):
        parts.append("Dot and whisker: the one seed and its 95 % interval, for other problems and not for other seeds.")
    else:
        parts.append("Dot and whisker: mean over seeds and its 95 % interval; small dots: single seeds.")
        if comparison.lone:
            lone = ", ".join(comparison.lone)
            parts.append(f"Of one seed ({lone}) the interval is for other problems and not for other seeds.")
    reference = comparison.config.reference
    if is_tested:
        parts.append(f"The other panel: the paired difference from {reference} in points.")
        if len(results.tests) > 1:
            parts.append("No interval is corrected for their number; p in the table of differences is.")
    elif reference in comparison.labels and len(comparison.labels) > 1:
        parts.append(f"No method shares a seed with {reference}, so that nothing is held against it.")
    if board.base is not None:
        parts.append(f"The model before training has {shown(accuracy(board.base[None], board.sources), ACCURACY)}.")
    return " ".join(part for part in parts if part)
