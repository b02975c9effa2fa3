"""The final result of a comparison as one figure, of the numbers that stand in its tables."""

from spro.lab.compare.figures import LOOKS
from spro.lab.compare.records import Comparison
from spro.lab.compare.results import Results, Tested, state_of
from spro.lab.compare.scores import Board, accuracy
from spro.lab.compare.table import Column, Number, shown
from spro.report import Forest, ForestRow, Whisker

NAME = "final"
ACCURACY, POINTS = Column("accuracy", ".1f", True), Column("points", "+.1f", True)


def make_forest(results: Results) -> Forest | None:
    """What every method came to, and by how much it differs from the baseline; None where no run came to its end."""
    board, comparison = results.sampled, results.comparison
    if board is None or not comparison.labels:
        return None
    tests = {one.label: one for one in results.tests if one.other == comparison.config.reference}
    rows = tuple(_row(comparison, board, label, tests.get(label)) for label in comparison.config.labels)
    measure = f"avg@{comparison.config.evaluate.samples}, %"
    return Forest(NAME, board.measure.title, _note(comparison, board, bool(tests)), measure, rows)


def _row(comparison: Comparison, board: Board, label: str, test: Tested | None) -> ForestRow:
    look = comparison.config.labels.index(label) % LOOKS
    if label not in comparison.labels:
        absent = dict.fromkeys(comparison.config.seeds)
        return ForestRow(label, look, str(state_of(comparison, label).value), "", absent)
    scores, sources = board.scores[label], board.sources
    done = {seed: accuracy(scores[[row]], sources).value for row, seed in enumerate(board.seeds[label])}
    seeds = {seed: done.get(seed) for seed in comparison.config.seeds}
    final = _whisker(accuracy(scores, sources), ACCURACY)
    if test is not None:
        return ForestRow(label, look, final, _whisker(test.points, POINTS), seeds)
    words = "baseline" if label == comparison.config.reference else "no seed in common"
    return ForestRow(label, look, final, words, seeds)


def _whisker(number: Number, column: Column) -> Whisker | str:
    """Words where an end has no meaning, as a cell of a table would have them."""
    text = shown(number, column)
    if number.value is None or number.low is None or number.high is None:
        return text
    return Whisker(number.value, number.low, number.high, text)


def _note(comparison: Comparison, board: Board, is_tested: bool) -> str:
    columns = len(board.columns)
    parts = [f"Avg., the mean of {columns} columns." if columns > 1 else ""]
    if len(comparison.config.seeds) > 1:
        parts.append("Dot and whisker: mean over seeds and its 95 % interval; small dots: single seeds.")
    else:
        parts.append("Dot and whisker: the one seed and its 95 % interval, for other problems and not for other seeds.")
    if is_tested:
        parts.append(
            f"Beside it the paired difference from {comparison.config.reference} in points. Each interval stands for "
            "itself; the table of differences corrects for their number."
        )
    if board.base is not None:
        parts.append(f"The model before training has {shown(accuracy(board.base[None], board.sources), ACCURACY)}.")
    return " ".join(part for part in parts if part)
