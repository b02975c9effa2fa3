"""The loop: Algorithm 1 of the paper. It knows no credit method by name.

tasks -> rollout -> verify -> filter -> score -> credit -> update
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from spro.config import Config
from spro.credit import Method
from spro.errors import UserError
from spro.models import Policy
from spro.rollout import Engine
from spro.train.checkpoint import save_checkpoint
from spro.train.experience import Scorer
from spro.train.filter import GroupFilter
from spro.train.group import Group, Unscored
from spro.train.held_out import HeldOut
from spro.train.interrupt import StopRequest
from spro.train.judge import Judge
from spro.train.metrics import Metrics, credit_metrics, rollout_metrics, step_metrics, to_metrics
from spro.train.order import PromptOrder
from spro.train.prepare import Preparation, sampling_of
from spro.train.progress import Display
from spro.train.run_folder import RunFolder
from spro.train.sampling import check_enough_graded, derive_seed, drop_unscored, sample_groups
from spro.train.update import Updater


@dataclass(slots=True)
class Stopwatch:
    """Wall time of the stages of a step, in seconds."""

    seconds: Metrics = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block under ``time/<stage>_s``."""
        start = time.perf_counter()
        yield
        self.seconds[f"time/{stage}_s"] = time.perf_counter() - start


@dataclass(frozen=True)
class Outcome:
    """How far a run came.

    Attributes:
        steps: finished.
        evaluations: step and metrics of each evaluation; the first is of the policy before training.
        latest: the last value of every metric.
    """

    steps: int
    evaluations: tuple[tuple[int, Metrics], ...]
    latest: Metrics


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a step rolled out.

    Attributes:
        groups: all that was rolled out.
        kept: what the filter left.
        cursor: position behind the last prompt that was drawn.
        batches: how often a batch of prompts was rolled out.
    """

    groups: list[Group]
    kept: list[Group]
    cursor: int
    batches: int


@dataclass(frozen=True)
class Trainer:
    """The parts of a run; ``spro.train.setup`` makes them from a config."""

    config: Config
    policy: Policy
    order: PromptOrder
    engine: Engine
    judge: Judge
    filter: GroupFilter
    preparations: tuple[Preparation, ...]
    scorer: Scorer
    credit: Method
    updater: Updater
    held_out: HeldOut
    notes: tuple[str, ...]
    folder: RunFolder

    def run(self, display: Display, stop: StopRequest) -> Outcome:
        """Train to the end, or to the end of the step in which a stop is asked for.

        Raises:
            TrainingError: the numbers went bad, or too little could be graded.
        """
        steps, step, tokens, cursor = self.config.train.steps, 0, 0.0, 0
        latest = self.held_out.evaluate()
        evaluations = [(0, latest)]
        self.folder.log_metrics(0, latest)
        while step < steps and not stop:
            step += 1
            is_last = step == steps
            try:
                metrics = self._step(step, is_last, cursor, display)
            except UserError:
                # A reward function that returned nonsense, say: what was learned before is not lost to it.
                if step > 1 and not _due(step - 1, self.config.log.checkpoint_every):
                    save_checkpoint(self.folder.checkpoints, self.policy, step - 1)
                raise
            cursor = int(metrics["prompts_drawn"] or 0)
            tokens += metrics["step_tokens"] or 0
            metrics["tokens"] = tokens
            # Not when a stop is asked for: who presses Ctrl-C wants the weights, not another evaluation.
            if _due(step, self.config.evaluate.every) or is_last:
                evaluations.append((step, self.held_out.evaluate()))
                metrics |= evaluations[-1][1]
            self.folder.log_metrics(step, metrics)
            latest = latest | metrics
            display.show(step, latest)
            if _due(step, self.config.log.checkpoint_every) or is_last or stop:
                save_checkpoint(self.folder.checkpoints, self.policy, step)
        return Outcome(step, tuple(evaluations), latest)

    def _step(self, step: int, is_last: bool, cursor: int, display: Display) -> Metrics:
        """One iteration of Algorithm 1 (lines 4 to 13)."""
        watch = Stopwatch()
        with watch.time("step"):
            with watch.time("rollout"):
                gathered = self._gather(step, cursor, display)
                kept = self._prepare(step, gathered.kept, display)
            learned: Metrics = {}
            if kept:
                learned = self._learn(step, is_last, kept, watch)
            else:
                display.say(f"step {step}: no group is left to train on; the policy stays as it is")
            self.scorer.follow(step)
        return {
            **rollout_metrics(gathered.groups),
            **learned,
            "filter/groups": len(kept),
            "prepare/left_out": len(gathered.kept) - len(kept),
            "filter/rollout_batches": gathered.batches,
            "prompts_drawn": gathered.cursor,
            **watch.seconds,
        }

    def _gather(self, step: int, cursor: int, display: Display) -> Gathered:
        """Roll out, grade and filter (lines 4 to 8); more than once if the filter asks for it and is not yet full."""
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
        return Gathered(groups, kept, cursor, batches)

    def _prepare(self, step: int, groups: list[Group], display: Display) -> list[Group]:
        """Add to the groups what the method needs beside log-probs; those of which it cannot be said are left out."""
        left = groups
        unscored: list[Unscored] = []
        for number, preparation in enumerate(self.preparations):
            # Nothing can be rolled out for no group.
            if left:
                prepared = preparation(left, derive_seed(self.config.seed, f"{step}/prepare/{number}"))
                left = prepared.groups
                unscored += prepared.unscored
        self.folder.log_unscored(step, unscored)
        lost, total = len(groups) - len(left), len(groups)
        if lost:
            reason = f"further answers could not be graded, such as: {unscored[0].detail}"
            display.say(f"step {step}: {lost} of {total} groups left out, {reason}")
            what = "groups are left out, since further answers could not be graded"
            check_enough_graded(lost, total, self.config.verify.max_unscored_share, what, unscored)
        return left

    def _learn(self, step: int, is_last: bool, kept: list[Group], watch: Stopwatch) -> Metrics:
        """Score, assign credit, update (lines 9 to 13)."""
        config = self.config
        with watch.time("score"):
            experience = self.scorer.score(kept, self.policy.pad_token_id)
        credit = self.credit.assign(experience.batch)
        learning_rate = self.updater.learning_rate
        with watch.time("update"):
            stats = self.updater.update(experience, credit.advantages)
        measured = to_metrics({**vars(stats), **credit_metrics(experience, credit, kept)}) | step_metrics(kept)
        if _due(step, config.log.rollouts_every) or step == 1 or is_last:
            shown = kept[: config.log.rollout_groups]
            self.folder.log_rollouts(step, shown, experience, credit, self.policy.tokenizer)
        in_window = sum(map(self.filter.passes, kept)) / len(kept)
        return {**measured, "learning_rate": learning_rate, "filter/in_window_fraction": in_window}

    def _check_responses(self, step: int, groups: list[Group], display: Display) -> None:
        """Keep what could not be graded, and say so: it leaves the batch and would go unseen. Too much ends the run."""
        unscored = [answer for group in groups for answer in group.unscored]
        self.folder.log_unscored(step, unscored)
        if unscored:
            display.say(f"step {step}: {len(unscored)} responses could not be graded, such as: {unscored[0].detail}")
            total, max_share = sum(len(group.responses) for group in groups), self.config.verify.max_unscored_share
            check_enough_graded(len(unscored), total, max_share, "responses could not be graded", unscored)


def rolled_out_prompts(config: Config) -> int:
    """Prompts that a step rolls out, before the filter."""
    return round(config.train.prompts_per_step * config.filter.oversample_factor)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
