"""The responses under the microscope: sampled as in training, graded, prepared, and with their truths."""

import random
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

from spro.config import Config
from spro.errors import DataError, TrainingError
from spro.lab.microscope.config import MicroscopeConfig
from spro.lab.microscope.subject import Subject
from spro.lab.microscope.truth import Truth, exact_truth, monte_carlo_truth
from spro.models import Policy
from spro.rollout import Engine
from spro.tasks import LoadReport, Problem, Prompt, encode_prompts, load_task
from spro.train.grading import Grading
from spro.train.group import Group, Prepared
from spro.train.interrupt import StopRequest
from spro.train.judge import Judge
from spro.train.prepare import build_preparations, sampling_of
from spro.train.reward import OverlongPenalty
from spro.train.sampling import derive_seed, drop_unscored, sample_groups
from spro.train.setup import check_lengths
from spro.train.speaker import build_speaker
from spro.train.steps import StepSplitter
from spro.train.vine import StepValues

Say = Callable[[str], None]
EXACT_VERIFIER = "chain"
"""Problems of this verifier have an exact truth."""


@dataclass(frozen=True)
class Rollouts:
    """What was sampled.

    Attributes:
        groups: graded and prepared; every response has a score.
        truths: of their responses.
        notes: what a reader must know of them.
    """

    groups: tuple[Group, ...]
    truths: tuple[Truth, ...]
    notes: tuple[str, ...]


def has_exact_truth(config: Config) -> bool:
    """Whether the task is one whose truth is computed, and graded by its own verifier."""
    return config.task.type == EXACT_VERIFIER and config.verify.function is None


def sample_rollouts(
    subject: Subject, settings: MicroscopeConfig, needs: Set[str], truths: Set[str], grading: Grading, say: Say
) -> Rollouts:
    """Draw the prompts, let the policy answer, grade, and find out what is true.

    Args:
        subject: the policy.
        settings: of the microscope.
        needs: optional tensors of ``TokenBatch`` that groups are to be prepared for.
        truths: names of those that are wanted.
        grading: stays the caller's to close.
        say: is told what is being done.

    Raises:
        UserError: the task cannot be read or has no problem of the split.
        TrainingError: nothing could be graded.
    """
    config, policy = subject.config, subject.policy
    task = load_task(config.task, config.seed, grading.problem_with, grading.columns)
    problems = task.held_out if settings.split == "held_out" else task.train
    prompts = draw_prompts(policy, problems, settings, config)
    check_lengths(config, policy, prompts)
    notes = grading.prepare({prompt.problem.verifier for prompt in prompts})
    judge = grading.judge(policy.tokenizer)
    speaker = build_speaker(config, policy, task.tool, prompts, StopRequest())
    try:
        speaker.push(0)
        say(f"sampling {settings.group_size} responses to each of {len(prompts)} problems")
        sampled = sample_groups(
            speaker.engine, judge, prompts, sampling_of(config), derive_seed(settings.seed, "microscope")
        )
        if len(prompts) < settings.prompts:
            notes.append(f"There are {len(prompts)} problems, and {settings.prompts} were asked for.")
        graded = _graded(sampled, notes)
        rollouts = _with_truths(graded, truths, subject, settings, speaker.engine, judge, say)
        return _prepared(
            replace(rollouts, notes=(*notes, *rollouts.notes)), needs, subject, settings, speaker.engine, judge
        )
    finally:
        speaker.close()


def draw_prompts(
    policy: Policy, problems: Sequence[Problem], settings: MicroscopeConfig, config: Config
) -> tuple[Prompt, ...]:
    """As many as are asked for, by the seed, of those that fit the model.

    Raises:
        DataError: there is none.
    """
    report = LoadReport(kept=len(problems))
    drawn = random.Random(derive_seed(settings.seed, "prompts")).sample(problems, len(problems))
    prompts: list[Prompt] = []
    for problem in drawn:
        if len(prompts) == settings.prompts:
            break
        prompts += encode_prompts(policy.tokenizer, [problem], config.rollout.max_prompt_length, report)
    if not prompts:
        other = "train" if settings.split == "held_out" else "held_out"
        raise DataError(
            f"the task has no {settings.split} problem to look at ({report}): take split={other}, or set "
            "task.held_out_problems"
        )
    return tuple(prompts)


def _graded(sampled: Sequence[Group], notes: list[str]) -> tuple[Group, ...]:
    unscored = [answer for group in sampled for answer in group.unscored]
    graded = tuple(drop_unscored(sampled))
    if not graded:
        raise TrainingError(f"no response could be graded; the first: {unscored[0].detail or 'no reason given'}")
    if unscored:
        notes.append(f"{len(unscored)} responses could not be graded and are left out, such as: {unscored[0].detail}")
    return graded


def _with_truths(
    groups: tuple[Group, ...],
    wanted: Set[str],
    subject: Subject,
    settings: MicroscopeConfig,
    engine: Engine,
    judge: Judge,
    say: Say,
) -> Rollouts:
    policy, notes = subject.policy, []
    truths: list[Truth] = []
    if "monte_carlo" in wanted:
        say(f"going on {settings.samples} times from each state")
        splitter = StepSplitter(policy.tokenizer, subject.config.steps.separator)
        split = splitter(groups, 0).groups if settings.per == "step" else _split_into_tokens(groups)
        positions = getattr(policy.model.config, "max_position_embeddings", None)
        # Scores alone: what a reward adds to them is a choice of the run, and no truth.
        of_scores = replace(judge.of_scores_alone, penalty=OverlongPenalty(subject.config.rollout.max_response_length))
        values = StepValues(engine, of_scores, sampling_of(subject.config), settings.samples, positions)
        continued = monte_carlo_truth(split, values, derive_seed(settings.seed, "truth"))
        if not continued.kept:
            raise TrainingError("no continuation could be graded, so there is no Monte-Carlo truth: set truth=none")
        if continued.lost:
            notes.append(f"{continued.lost} continuations could not be graded and count nowhere.")
        groups = tuple(groups[place] for place in continued.kept)
        truths.append(continued.truth)
    if "exact" in wanted:
        truths.insert(0, exact_truth(groups, policy.tokenizer))
    return Rollouts(groups, tuple(truths), tuple(notes))


def _split_into_tokens(groups: Sequence[Group]) -> list[Group]:
    """Every token of the policy a step; a tool's belong to the call before them."""
    split = []
    for group in groups:
        rows = []
        for response in group.responses:
            steps: list[int] = []
            for by_policy in response.written:
                steps.append(steps[-1] + by_policy if steps else 0)
            rows.append(tuple(steps))
        split.append(replace(group, step_ids=tuple(rows)))
    return split


def _prepared(
    rollouts: Rollouts, needs: Set[str], subject: Subject, settings: MicroscopeConfig, engine: Engine, judge: Judge
) -> Rollouts:
    """With what the methods read; the truth's own steps and continuations are not among it."""
    groups, notes = list(rollouts.groups), list(rollouts.notes)
    preparations = build_preparations(frozenset(needs), subject.config, subject.policy, engine, judge)
    for number, preparation in enumerate(preparations):
        prepared: Prepared = preparation(groups, derive_seed(settings.seed, f"prepare/{number}"))
        lost = len(groups) - len(prepared.groups)
        if not prepared.groups:
            raise TrainingError(f"no further answer could be graded, such as: {prepared.unscored[0].detail}")
        if lost:
            notes.append(f"{lost} groups are left out: a method needs further answers that could not be graded.")
        groups = prepared.groups
    left = {group.prompt.problem.problem_id for group in groups}
    rows = [group.prompt.problem.problem_id in left for group in rollouts.groups for _ in group.responses]
    kept = [row for row, is_left in enumerate(rows) if is_left]
    return Rollouts(tuple(groups), tuple(truth.of(kept) for truth in rollouts.truths), tuple(notes))
