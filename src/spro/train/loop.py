"""The loop: Algorithm 1 of the paper. It knows no credit method by name.

tasks -> rollout -> verify -> filter -> score -> credit -> update
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from spro.config import Config
from spro.errors import TrainingError
from spro.train.gather import Gatherer
from spro.train.group import Group
from spro.train.held_out import HeldOut
from spro.train.interrupt import Interrupted, StopRequest
from spro.train.learn import Learned, Learner
from spro.train.memory import MemoryGauge
from spro.train.metrics import Metrics, rollout_metrics, step_metrics
from spro.train.progress import Display
from spro.train.repetition import repetition_metrics
from spro.train.run_folder import RunFolder
from spro.train.saving import Saving, fingerprint
from spro.train.state import Evaluations, RunState
from spro.train.stopwatch import Stopwatch
from spro.train.tool_use import tool_metrics
from spro.train.watch import Watch

Push = Callable[[int], Metrics]
"""Gives the engine the policy as it is behind a step; what there is to log of it."""


@dataclass(frozen=True)
class Outcome:
    """How far a run came.

    Attributes:
        steps: finished.
        evaluations: step and metrics of each evaluation; the first is of the policy before training.
        latest: the last value of every metric.
    """

    steps: int
    evaluations: Evaluations
    latest: Metrics


@dataclass(frozen=True)
class Trainer:
    """The parts of a run; ``spro.train.setup`` makes them from a config."""

    config: Config
    gatherer: Gatherer
    learner: Learner
    held_out: HeldOut
    push: Push
    close: Callable[[], None]
    watch: Watch
    saving: Saving
    folder: RunFolder
    stop: StopRequest
    notes: tuple[str, ...]
    gauge: MemoryGauge = field(default_factory=MemoryGauge)

    def run(self, display: Display) -> Outcome:
        """Train to the end, or until a stop is asked for; goes on from the newest whole checkpoint if there is one.

        Whatever ends it, unless in the middle of an update, what was learned is saved.

        Raises:
            TrainingError: the numbers went bad, too little could be graded, or a collapse is to end the run.
        """
        state = self._begin(display)
        saved = state
        try:
            state = saved = self._start(state)
            while state.step < self.config.train.steps or state.pending is not None:
                self.stop.check()
                if state.pending is None:
                    state = self._train(state, display)
                state = self._finish(state, display)
                if _is_due(state.step, self.config.log.checkpoint_every) or state.step == self.config.train.steps:
                    # Said before it is done: what fails is not tried again.
                    saved = state
                    self._save(state)
                self._check_health(state)
        except Exception as error:
            # Not in the middle of an update: half of one is no state of the run.
            if state.step and state is not saved and not self.stop.committed:
                self._save(state)
            if not isinstance(error, Interrupted):
                raise
        return Outcome(state.step, state.evaluations, state.latest)

    def _begin(self, display: Display) -> RunState:
        """The state to go on from, with every part of the run in it."""
        initial = fingerprint(self.learner.policy.model)
        checkpoint = self.folder.checkpoints.recover(display.say)
        if checkpoint is None:
            self.folder.cut_back(-1, -1)
            return RunState(initial=initial, watch=self.watch.state())
        state = self.saving.read(checkpoint, initial)
        self.watch.load(state.watch)
        self.folder.cut_back(state.step, state.step if state.pending is None else state.step - 1)
        display.say(f"going on behind step {state.step}, from {checkpoint}")
        return state

    def _start(self, state: RunState) -> RunState:
        """With the engine at the policy's weights, and the policy evaluated before its first step."""
        self.push(state.step)
        if state.step or state.evaluations:
            return state
        state = state.evaluated(self.held_out.evaluate())
        self.folder.log_metrics(0, state.latest)
        return state

    def _train(self, state: RunState, display: Display) -> RunState:
        """One iteration of Algorithm 1 (lines 4 to 13); its metrics are pending."""
        step = state.step + 1
        watch = Stopwatch()
        with watch.time("step"):
            with watch.time("rollout"):
                gathered = self.gatherer.gather(step, state.cursor, display)
            learned = self.learner.learn(gathered.prepared, watch) if gathered.prepared else None
            self.stop.commit()
            self.learner.follow(step)
            pushed = self.push(step)
        rolled_out = (
            rollout_metrics(gathered.groups) | repetition_metrics(gathered.groups) | tool_metrics(gathered.groups)
        )
        tokens = state.tokens + (rolled_out["step_tokens"] or 0)
        metrics = {
            **rolled_out,
            **pushed,
            **self._review(step, learned, gathered.prepared, display),
            "prepare/left_out": len(gathered.kept) - len(gathered.prepared),
            "filter/rollout_batches": gathered.batches,
            "prompts_drawn": gathered.cursor,
            "tokens": tokens,
            **watch.seconds,
        }
        skipped = any(metrics.get(name) for name in SKIPPED)
        self.stop.release()
        return replace(
            state,
            step=step,
            cursor=gathered.cursor,
            tokens=tokens,
            skipped_in_a_row=state.skipped_in_a_row + 1 if skipped else 0,
            pending=metrics,
        )

    def _review(self, step: int, learned: Learned | None, groups: list[Group], display: Display) -> Metrics:
        """What is told of a step beyond its rollouts; samples of it are written."""
        if learned is None:
            display.say(f"step {step}: no group is left to train on; the policy stays as it is")
            return {"filter/groups": 0}
        log = self.config.log
        if _is_due(step, log.rollouts_every) or step in (1, self.config.train.steps):
            shown = groups[: log.rollout_groups]
            self.folder.log_rollouts(step, shown, learned.experience, learned.credit, self.learner.policy.tokenizer)
        for name in SKIPPED:
            if learned.metrics.get(name):
                kept = self.folder.keep_batch(step, learned.experience, learned.credit)
                display.say(
                    f"step {step}: {name}: loss or gradient is not finite, nothing was changed; batch in {kept}"
                )
        in_window = sum(map(self.gatherer.filter.passes, groups)) / len(groups)
        measured = {**learned.metrics, **step_metrics(groups)}
        return {**measured, "filter/groups": len(groups), "filter/in_window_fraction": in_window}

    def _finish(self, state: RunState, display: Display) -> RunState:
        """Evaluate if it is time, watch, log: the state with nothing pending."""
        assert state.pending is not None
        metrics, step = state.pending, state.step
        if _is_due(step, self.config.evaluate.every) or step == self.config.train.steps:
            evaluation = self.held_out.evaluate()
            state = state.evaluated(evaluation)
            metrics = metrics | evaluation
        memory, line = self.gauge.read()
        if line:
            display.say(line)
        metrics = metrics | memory
        collapse = self.watch.observe(step, metrics)
        metrics = metrics | self.watch.metrics()
        self.folder.log_metrics(step, metrics)
        if collapse is not None:
            display.say(collapse.explanation)
        state = replace(state, latest=state.latest | metrics, pending=None, watch=self.watch.state())
        display.show(step, state.latest)
        return state

    def _check_health(self, state: RunState) -> None:
        """End a run that goes nowhere."""
        if state.skipped_in_a_row > self.config.train.max_skipped_updates:
            raise TrainingError(
                f"step {state.step}: loss or gradient is not finite, {state.skipped_in_a_row} steps in a row; the "
                f"weights are those of before, and the batch is in {self.folder.skipped_batch}. Lower "
                "optimizer.learning_rate"
            )
        if self.watch.collapse is not None and self.config.watch.on_collapse == "stop":
            good = self.folder.checkpoints.newest_up_to(self.watch.last_good_step)
            raise TrainingError(
                f"{self.watch.collapse.explanation}; stopped, as watch.on_collapse says. The last checkpoint from "
                f"before: {good or 'none'}"
            )

    def _save(self, state: RunState) -> None:
        self.folder.checkpoints.save(
            state.step,
            self.saving.size(),
            lambda folder: self.saving.write(folder, state),
            self.watch.last_good_step,
        )


SKIPPED = ("skipped_updates", "prm/skipped_updates", "critic/skipped_updates")
"""Metrics that are above 0 where an update was skipped."""


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
