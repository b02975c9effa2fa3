"""From samples to numbers, each with its error; what could not be graded is left out and counted, never 0."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from spro.evaluate.samples import Answered, Kind, Sample
from spro.rollout import FinishReason
from spro.statistics import Estimate, average_score, column_average, pass_at_k

GREEDY = "greedy pass@1"


@dataclass(frozen=True)
class Numbers:
    """What some problems say of a model.

    Attributes:
        problems: all that were asked.
        metrics: by name; one is absent where no problem has what it takes.
        statuses: of the answers of each kind.
        without_score: ids of the problems of which no answer could be graded.
        cut_share: share of all answers that ended at the length limit.
    """

    problems: int
    metrics: Mapping[str, Estimate]
    statuses: Mapping[str, Mapping[str, int]]
    without_score: tuple[str, ...]
    cut_share: float

    @property
    def unscored(self) -> int:
        """Answers that could not be graded."""
        return sum(counts.get("unscored", 0) for counts in self.statuses.values())


def measure(problems: Sequence[Answered], samples: int) -> Numbers:
    """The numbers of one column, or of all problems together.

    Args:
        problems: at least one.
        samples: sampled answers that each was asked for; may be 0.
    """
    answers = [sample for problem in problems for sample in problem.samples]
    kinds = list(dict.fromkeys(sample.kind for sample in answers))
    return Numbers(
        problems=len(problems),
        metrics=_metrics(problems, samples),
        statuses={
            kind: dict(sorted(Counter(str(one.status) for one in answers if one.kind is kind).items()))
            for kind in kinds
        },
        without_score=tuple(
            problem.problem_id for problem in problems if not any(sample.is_scored for sample in problem.samples)
        ),
        cut_share=sum(one.finish_reason is FinishReason.LENGTH for one in answers) / len(answers),
    )


def _metrics(problems: Sequence[Answered], samples: int) -> dict[str, Estimate]:
    greedy = [problem.scored(Kind.GREEDY) for problem in problems]
    sampled = [problem.scored(Kind.SAMPLED) for problem in problems]
    metrics: dict[str, Estimate] = {}
    if any(greedy):
        metrics[GREEDY] = average_score([[float(one.is_correct) for one in answers] for answers in greedy if answers])
    if any(sampled):
        metrics[f"avg@{samples}"] = average_score([scores_of(answers) for answers in sampled if answers])
    for k in powers(samples):
        # The estimate takes k answers; a problem that lost some by failures may have fewer.
        enough = [[one.is_correct for one in answers] for answers in sampled if len(answers) >= k]
        if enough:
            metrics[f"pass@{k}"] = pass_at_k(enough, k)
    return metrics


def scores_of(samples: Sequence[Sample]) -> list[float]:
    """The scores of those that could be graded."""
    return [sample.score for sample in samples if sample.score is not None]


def powers(samples: int) -> list[int]:
    """1, 2, 4, ... and the number of samples itself; nothing for none."""
    found = [2**power for power in range(samples.bit_length()) if 2**power < samples]
    return [*found, samples] if samples else []


def average_columns(columns: Sequence[Numbers]) -> dict[str, Estimate]:
    """The unweighted mean over columns of each metric that all of them have: "Avg." of the paper's tables."""
    shared = [name for name in columns[0].metrics if all(name in column.metrics for column in columns)]
    return {name: column_average([column.metrics[name] for column in columns]) for name in shared}


def by_column(problems: Sequence[Answered], order: Collection[str]) -> dict[str, list[Answered]]:
    """The problems by data_source; those that ``order`` names first, in its order."""
    found: dict[str, list[Answered]] = {}
    for problem in problems:
        found.setdefault(problem.data_source, []).append(problem)
    return {name: found[name] for name in dict.fromkeys([*order, *found]) if name in found}
