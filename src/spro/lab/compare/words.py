"""What a comparison says in sentences, no more sure of itself than its numbers."""

from spro.lab.compare.reach import ACCURACY
from spro.lab.compare.records import Comparison, State
from spro.lab.compare.results import Results
from spro.lab.compare.scores import accuracy
from spro.lab.compare.table import Number, written
from spro.report import listed

READING = (
    "A line is the mean over seeds; its band is where that mean may lie for other seeds (95 %, bootstrap, at each "
    "place by itself). It is not the range of single runs. Bands or whiskers that overlap may still differ, since "
    "methods are compared seed by seed and problem by problem: read the differences. Figures across tokens, compute or "
    "hours end where the first of a method's seeds ends. Learning curves are measured with one sampled answer to each "
    "problem, and each seed of a generated task has held-out problems of its own; the final tables are measured on "
    "the same problems for all. Curves and greedy pass@1 count answers that are right as a whole; avg@k is a mean "
    "score, to which a program that passes half of its tests gives one half. A method that learns faster per step may "
    "cost more per step: look at tokens and compute too."
)
LIMITS = (
    "These numbers are of this model, this data and these settings. A difference that is not beyond chance here is not "
    "shown to be none: more seeds or more problems may tell. Every method ran with the settings below, which were not "
    "tuned for each of them by this command."
)


def headline(results: Results) -> str:
    """Which method ended best, and whether that is distinguishable from the baseline."""
    board, config = results.sampled, results.comparison.config
    if not results.comparison.labels:
        return "No run came to its end, so there is nothing to compare."
    if board is None:
        return "No problem has a graded answer of every model, so there is nothing to compare."
    finals = {label: accuracy(board.scores[label], board.sources) for label in results.comparison.labels}
    best = max(finals, key=lambda label: finals[label].value or 0.0)
    level = [label for label in finals if finals[label].value == finals[best].value]
    said = f"{_percent(finals[best])} as mean score of sampled answers to held-out problems"
    if len(level) > 1:
        return f"{listed(level)} ended level, with {said}; none ended above them."
    said = f"{best} ended best, with {said}"
    if config.reference not in finals:
        return f"{said}. The baseline {config.reference} has no finished run, so nothing was tested against it."
    if best == config.reference:
        others = [one for one in results.tests if one.other == best]
        if not others:
            return f"{said}. No other method has a finished run."
        worse = [one.label for one in others if one.is_significant and one.difference.value < 0]
        if not worse:
            return f"{said}; it is the baseline, and no other method is distinguishable from it."
        return f"{said}; it is the baseline, and {listed(worse)} ended below it beyond chance."
    test = next((one for one in results.tests if (one.label, one.other) == (best, config.reference)), None)
    if test is None:
        return f"{said}. It shares no seed with the baseline {config.reference}, so the two were not tested."
    d = test.difference
    gap = (
        f"{written(100 * d.value, '+.1f')} points from the baseline {config.reference} "
        f"(95 % interval {written(100 * d.low, '+.1f')} to {written(100 * d.high, '+.1f')}, "
        f"p = {written(test.p_holm, 'p')}{' corrected' if len(results.tests) > 1 else ''})"
    ).replace("p = <", "p <")
    verdict = "distinguishable from it" if test.is_significant else "not distinguishable from it"
    return f"{said}: {gap}, which is {verdict}."


def _percent(number: Number) -> str:
    value, low, high = (written(end or 0.0, ".1f") for end in (number.value, number.low, number.high))
    return f"{value} % ({low} to {high})"


def remarks(results: Results) -> tuple[str, ...]:
    """What must be known before a number is believed."""
    comparison, found = results.comparison, []
    if comparison.labels:
        found.append(_about_seeds(results))
    found += _beside_the_base(results)
    quiet = [f"{one.label} and {one.other}" for one in results.tests if not one.is_significant]
    if quiet:
        found.append(f"Not distinguishable at the end: {'; '.join(quiet)}.")
    failed, not_run = (_absent(comparison, state) for state in (State.FAILED, State.NOT_RUN))
    if failed:
        found.append(
            f"Without a result: {', '.join(failed)} (see the table of all runs). They are left out and count as "
            "nothing, neither right nor wrong; if they failed because of the method, its numbers here flatter it."
        )
    if not_run:
        found.append(f"Not run yet: {', '.join(not_run)}. The numbers here are of the runs that are done.")
    collapsed = [label for label in comparison.labels if any(run.collapse for run in comparison.runs[label].values())]
    if collapsed:
        found.append(f"Runs of {listed(collapsed)} collapsed while training and are counted as they ended.")
    return tuple(found)


def _about_seeds(results: Results) -> str:
    """How many seeds are behind the numbers, and what that lets them say."""
    comparison = results.comparison
    counts = {len(comparison.seeds(label)) for label in comparison.labels}
    if counts == {1}:
        return (
            "One seed a method: the intervals speak of these trained models on other problems, and say nothing of "
            "other seeds, which often differ by more than methods do."
        )
    few, most = min(counts), max(counts)
    count = str(most) if few == most else f"{few} to {most}"
    said = f"{count} seeds a method. Intervals and tests take both the seeds and the problems as drawn by chance"
    said += ", and so few seeds make them wide." if few < 5 else "."
    if comparison.lone:
        said += (
            f" Of {listed(comparison.lone)} there is one seed: its intervals and tests speak of this trained model on "
            "other problems, say nothing of other seeds, and look the surer for it."
        )
    if any(test.seeds == 1 and not {test.label, test.other} & {*comparison.lone} for test in results.tests):
        said += " Of two methods that share one seed alone the test is of two trained models."
    return said


def _beside_the_base(results: Results) -> list[str]:
    """What the model before training makes of the result."""
    found, board, comparison = [], results.sampled, results.comparison
    if board is not None and board.base is not None:
        before = accuracy(board.base[None], board.sources)
        finals = [accuracy(scores, board.sources).value or 0.0 for scores in board.scores.values()]
        if finals and max(finals) <= (before.value or 0.0):
            found.append(f"No method ended above the model before training, which has {_percent(before)}.")
    begun = [run.curve(ACCURACY).get(0) for run in comparison.runs[comparison.config.reference].values()]
    target = results.target
    if target is not None and begun and all(value is not None and value >= target for value in begun):
        found.append("The model before training has the target accuracy already: to reach it cost nothing.")
    return found


def _absent(comparison: Comparison, state: State) -> list[str]:
    return [
        f"{label} with seed {seed}"
        for label in comparison.config.labels
        for seed, one in comparison.absent[label].items()
        if one.state is state
    ]
