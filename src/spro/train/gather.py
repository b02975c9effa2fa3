"""What a step learns from: rolled out, graded, filtered, prepared (Algorithm 1, lines 4 to 8)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from spro.config import Config
from spro.errors import TrainingError
from spro.rollout import Engine
from spro.train.compute import Work, sampled
from spro.train.filter import GroupFilter
from spro.train.group import Group, Unscored
from spro.train.judge import Judge
from spro.train.metrics import Metrics, rollout_metrics, step_metrics
from spro.train.order import PromptOrder
from spro.train.prepare import Preparation, sampling_of
from spro.train.progress import Display
from spro.train.repetition import repetition_metrics
from spro.train.run_folder import RunFolder
from spro.train.sampling import check_enough_graded, derive_seed, drop_unscored, sample_groups
from spro.train.tool_use import tool_metrics


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a step rolled out.

    Attributes:
        groups: all that was rolled out.
        kept: what the filter left.
        prepared: of these, with more said of them, those of which it could be said.
        passing: how many of those would pass the filter by themselves.
        cursor: position behind the last prompt that was drawn.
        batches: how often a batch of prompts was rolled out.
        work: of sampling it, and what it was prepared with.
    """

    groups: list[Group]
    kept: list[Group]
    prepared: list[Group]
    passing: int
    cursor: int
    batches: int
    work: Work

    @property
    def tokens(self) -> float:
        """Behind the prompts, in all that was rolled out."""
        return float(sum(len(response.token_ids) for group in self.groups for response in group.responses))

    def metrics(self) -> Metrics:
        """Of the rollouts, and of what became of them."""
        return {
            **rollout_metrics(self.groups),
            **repetition_metrics(self.groups),
            **tool_metrics(self.groups),
            **step_metrics(self.prepared),
            "filter/groups": len(self.prepared),
            "filter/in_window_fraction": self.passing / len(self.prepared) if self.prepared else None,
            "prepare/left_out": len(self.kept) - len(self.prepared),
            "filter/rollout_batches": self.batches,
            "prompts_drawn": self.cursor,
        }


@dataclass(frozen=True)
class Gatherer:
    """The parts of a run that come before learning.

    Attributes:
        check: called between the stages; what it raises ends the gathering, which changes nothing.
    """

    config: Config
    order: PromptOrder
    engine: Engine
    judge: Judge
    filter: GroupFilter
    preparations: tuple[Preparation, ...]
    folder: RunFolder
    check: Callable[[], None]

    def gather(self, step: int, cursor: int, display: Display) -> Gathered:
        """What ``step`` (from 1) learns from, of prompts from ``cursor`` on.

        Raises:
            TrainingError: too little could be graded, or the engine sampled with other weights than it was given.
        """
        gathered = self._roll_out(step, cursor, display)
        prepared, work = self._prepare(step, gathered.kept, display)
        passing = sum(map(self.filter.passes, prepared))
        return replace(gathered, prepared=prepared, passing=passing, work=gathered.work + work)

    def _roll_out(self, step: int, cursor: int, display: Display) -> Gathered:
        """More than once if the filter asks for it and is not yet full."""
        config, size = self.config, rolled_out_prompts(self.config)
        order = self.order.step(cursor)
        groups: list[Group] = []
        kept: list[Group] = []
        batches = 0
        # No step draws more prompts than there are: the filter has judged them all by then.
        while batches == 0 or (
            len(kept) < config.train.prompts_per_step
            and batches < self.filter.max_rollout_batches
            and (batches + 1) * size <= len(self.order)
        ):
            self.check()
            drawn = list(islice(order, size))
            groups += sample_groups(
                self.engine,
                self.judge,
                [prompt for _, prompt in drawn],
                sampling_of(config),
                derive_seed(config.seed, f"{step}/{batches}" if batches else step),
            )
            cursor, batches = drawn[-1][0], batches + 1
            kept = self.filter.select(drop_unscored(groups), config.train.prompts_per_step)
        self._check_responses(step, groups, display)
        work = sampled([group.prompt.token_ids for group in groups], [group.responses for group in groups])
        return Gathered(groups, kept, kept, 0, cursor, batches, work)

    def _prepare(self, step: int, groups: list[Group], display: Display) -> tuple[list[Group], Work]:
        """Add to the groups what the method needs beside log-probs; those of which it cannot be said are left out."""
        left, work = groups, Work()
        unscored: list[Unscored] = []
        for number, preparation in enumerate(self.preparations):
            # Nothing can be rolled out for no group.
            if left:
                self.check()
                prepared = preparation(left, derive_seed(self.config.seed, f"{step}/prepare/{number}"))
                left, work = prepared.groups, work + prepared.work
                unscored += prepared.unscored
        self.folder.log_unscored(step, unscored)
        lost, total = len(groups) - len(left), len(groups)
        if lost:
            reason = f"further answers could not be graded, such as: {unscored[0].detail}"
            display.say(f"step {step}: {lost} of {total} groups left out, {reason}")
            what = "groups are left out, since further answers could not be graded"
            check_enough_graded(lost, total, self.config.verify.max_unscored_share, what, unscored)
        return left, work

    def _check_responses(self, step: int, groups: list[Group], display: Display) -> None:
        """Keep what could not be graded, and say so: it leaves the batch and would go unseen. Too much ends the run."""
        stale = {r.policy_version for group in groups for r in group.responses} - {step - 1}
        if stale:
            raise TrainingError(f"step {step}: responses of policy version {min(stale)}, and the policy is {step - 1}")
        unscored = [answer for group in groups for answer in group.unscored]
        self.folder.log_unscored(step, unscored)
        if unscored:
            display.say(f"step {step}: {len(unscored)} responses could not be graded, such as: {unscored[0].detail}")
            total, max_share = sum(len(group.responses) for group in groups), self.config.verify.max_unscored_share
            check_enough_graded(len(unscored), total, max_share, "responses could not be graded", unscored)


def rolled_out_prompts(config: Config) -> int:
    """Prompts that a step rolls out, before the filter."""
    return round(config.train.prompts_per_step * config.filter.oversample_factor)
