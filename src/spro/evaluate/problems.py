"""What a model did on each of some problems, for whoever has an engine already."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.evaluate.graded import check_graded
from spro.rollout import Engine, Sampling
from spro.tasks import Prompt
from spro.train.group import Group
from spro.train.judge import Judge
from spro.train.sampling import sample_groups
from spro.verify import Status


@dataclass(frozen=True, slots=True)
class ProblemResult:
    """One problem and what became of the answers to it.

    Attributes:
        problem_id: of the problem.
        data_source: the column that it counts in.
        scores: in [0, 1], of the answers that could be graded; may be empty, and is never filled up.
        correct: of the same answers, whether the whole of it is right; a score of 0.5 is not.
        statuses: of all answers, in the order in which they were sampled.
        lengths: tokens of each.
    """

    problem_id: str
    data_source: str
    scores: tuple[float, ...]
    correct: tuple[bool, ...]
    statuses: tuple[Status, ...]
    lengths: tuple[int, ...]


def evaluate_prompts(
    engine: Engine,
    judge: Judge,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    seed: int,
    max_unscored_share: float = 1.0,
) -> tuple[ProblemResult, ...]:
    """Let the policy answer each prompt ``sampling.group_size`` times; a temperature of 0 is greedy.

    Args:
        engine: its weights are those that it has; whoever trains pushes them first.
        judge: reward functions are left out of what it says.
        prompts: in the order of the results.
        sampling: the same for all.
        seed: the same weights, prompts and seed give the same results.
        max_unscored_share: of all answers, those that may be left without a score.

    Raises:
        RewardError: see ``Judge``.
        WorkerError: see ``check_graded``.
    """
    groups = sample_groups(engine, judge.of_scores_alone, prompts, sampling, seed)
    check_graded(groups, max_unscored_share)
    return tuple(map(_result, groups))


def _result(group: Group) -> ProblemResult:
    """What a graded group says of its problem."""
    problem = group.prompt.problem
    return ProblemResult(
        problem.problem_id,
        problem.data_source,
        group.scores,
        tuple(verdict.status is Status.CORRECT for verdict in group.verdicts if verdict.score is not None),
        tuple(verdict.status for verdict in group.verdicts),
        tuple(len(response.token_ids) for response in group.responses),
    )
