"""The loop: Algorithm 1 of the paper. It knows no credit method by name.

tasks -> rollout -> verify -> filter -> score -> credit -> update
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from safetensors import SafetensorError

from spro.config import Config
from spro.errors import SproError, TrainingError
from spro.sinks import Sinks
from spro.train.gather import Gatherer
from spro.train.held_out import HeldOut
from spro.train.interrupt import Interrupted, StopRequest
from spro.train.learn import Learned, Learner
from spro.train.memory import MemoryGauge
from spro.train.metrics import Metrics
from spro.train.progress import Display
from spro.train.run_folder import RunFolder
from spro.train.saving import Saving, fingerprint
from spro.train.state import Evaluations, RunState
from spro.train.stopwatch import Stopwatch
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
    gauge: MemoryGauge
    sinks: Sinks = field(default_factory=Sinks)

    def run(self, display: Display) -> Outcome:
        """Train to the end, or until a stop is asked for; goes on from the newest whole checkpoint if there is one.

        Whatever ends it, unless in the middle of an update, what was learned is saved.

        Raises:
            RunFolderError: no checkpoint of the folder is whole, or it is of another run.
            TrainingError: the numbers went bad, too little could be graded, or a collapse is to end the run.
        """
        state = self._begin(display)
        saved = state
        try:
            self.sinks.open(self.folder.logged(), display.say)
            state = saved = self._start(state)
            while state.step < self.config.train.steps or state.pending is not None:
                self.stop.check()
                if state.pending is None:
                    state, learned = self._train(state, display)
                    self._keep(state, learned, display)
                state = self._finish(state, display)
                if _is_due(state.step, self.config.log.checkpoint_every) or state.step == self.config.train.steps:
                    # Said before it is done: what fails is not tried again.
                    saved = state
                    self._save(state)
                self._check_health(state)
        except Exception as error:
            # Not in the middle of an update: half of one is no state of the run.
            if state.step and state is not saved and not self.stop.committed:
                self._save_behind(error, state, display)
            if not isinstance(error, Interrupted):
                raise
        finally:
            self.sinks.close()
        return Outcome(state.step, state.evaluations, state.latest)

    def _begin(self, display: Display) -> RunState:
        """The state to go on from, with every part of the run in it."""
        fresh = RunState(initial=fingerprint(self.learner.policy.model), data=self.gatherer.order.fingerprint)
        checkpoint = self.folder.checkpoints.recover(display.say)
        if checkpoint is None:
            self.folder.begin_anew(display.say)
            return replace(fresh, watch=self.watch.state())
        state = self.saving.read(checkpoint, fresh)
        self.watch.load(state.watch)
        # Of a step whose evaluation is pending the samples are written, and its metrics are not.
        self.folder.cut_back(state.step, state.step if state.pending is None else state.step - 1)
        rate = self.learner.updater.optimizer.learning_rate
        steps = self.config.train.steps
        left = f"at a learning rate of {rate:.3g}" if state.step < steps else f"of {steps}: nothing is left to do"
        display.say(f"going on behind step {state.step}, from {checkpoint}, {left}")
        self._check_health(state)
        return state

    def _start(self, state: RunState) -> RunState:
        """With the policy evaluated before its first step."""
        if state.step or state.evaluations:
            return state
        self.push(0)
        state = state.evaluated(self.held_out.evaluate())
        self._log(0, state.latest)
        return state

    def _train(self, state: RunState, display: Display) -> tuple[RunState, Learned | None]:
        """One iteration of Algorithm 1 (lines 4 to 13); its metrics are pending. None where no group was left."""
        step = state.step + 1
        watch = Stopwatch()
        with watch.time("step"):
            with watch.time("rollout"):
                pushed = self.push(state.step)
                gathered = self.gatherer.gather(step, state.cursor, display)
            learned = self.learner.learn(gathered.prepared, watch) if gathered.prepared else None
            self.stop.commit()
            self.learner.follow(step)
        self.stop.release()
        tokens = state.tokens + gathered.tokens
        step_flos = float(self.learner.updater.cost.forward(gathered.work) + (0 if learned is None else learned.flos))
        flos = state.flos + step_flos
        metrics = {
            **gathered.metrics(),
            **pushed,
            **({} if learned is None else learned.metrics),
            "tokens": tokens,
            "step_flos": step_flos,
            "total_flos": flos,
            **watch.seconds,
        }
        return replace(
            state,
            step=step,
            cursor=gathered.cursor,
            tokens=tokens,
            flos=flos,
            skipped_in_a_row=state.skipped_in_a_row + 1 if learned is not None and learned.skipped else 0,
            pending=metrics,
        ), learned

    def _keep(self, state: RunState, learned: Learned | None, display: Display) -> None:
        """Write samples of a step, and what was skipped in it."""
        step, log = state.step, self.config.log
        if learned is None:
            display.say(f"step {step}: no group is left to train on; the policy stays as it is")
            return
        if _is_due(step, log.rollouts_every) or step in (1, self.config.train.steps):
            shown = learned.groups[: log.rollout_groups]
            self.folder.log_rollouts(step, shown, learned.experience, learned.credit, self.learner.policy.tokenizer)
        for name, share in learned.skipped.items():
            kept = self.folder.keep_batch(step, learned.experience, learned.credit)
            display.say(
                f"step {step}: {name} {share:.2g}: loss or gradient is not finite, that share of the updates was left "
                f"out; the batch is in {kept}"
            )

    def _finish(self, state: RunState, display: Display) -> RunState:
        """Evaluate if it is time, watch, log: the state with nothing pending."""
        assert state.pending is not None
        metrics, step = state.pending, state.step
        if _is_due(step, self.config.evaluate.every) or step == self.config.train.steps:
            self.push(step)
            evaluation = self.held_out.evaluate()
            state = state.evaluated(evaluation)
            metrics = metrics | evaluation
        memory, line = self.gauge.read()
        if line:
            display.say(line)
        metrics = metrics | memory
        collapse = self.watch.observe(step, metrics)
        metrics = metrics | self.watch.metrics()
        self._log(step, metrics)
        if collapse is not None:
            display.say(collapse.explanation)
        state = replace(state, latest=state.latest | metrics, pending=None, watch=self.watch.state())
        display.show(step, state.latest)
        return state

    def _log(self, step: int, metrics: Metrics) -> None:
        self.folder.log_metrics(step, metrics)
        self.sinks.log(step, metrics)

    def _check_health(self, state: RunState) -> None:
        """End a run that goes nowhere."""
        newest = self.folder.checkpoints.newest()
        if state.skipped_in_a_row > self.config.train.max_skipped_updates:
            raise TrainingError(
                f"step {state.step}: loss or gradient is not finite, {state.skipped_in_a_row} steps in a row; the "
                f"batch is in {self.folder.skipped_batch}. Begin another run with a lower learning_rate (of optimizer, "
                f"prm or critic, whichever skipped) from model.path={newest or self.config.model.path}"
            )
        if self.watch.collapse is not None and self.config.watch.on_collapse == "stop":
            good = self.folder.checkpoints.newest_up_to(self.watch.last_good_step)
            raise TrainingError(
                f"{self.watch.collapse.explanation}; stopped, as watch.on_collapse says. The last checkpoint from "
                f"before is {good or 'gone'}; if its accuracy in the report is good, begin another run from there"
            )

    def _save_behind(self, error: Exception, state: RunState, display: Display) -> None:
        """Save when something else has ended the run, which is what must be told."""
        try:
            self._save(state)
        except (SproError, OSError, SafetensorError) as problem:
            if isinstance(error, Interrupted):
                raise
            display.say(f"step {state.step} is not saved: {problem}")

    def _save(self, state: RunState) -> None:
        self.folder.checkpoints.save(
            state.step,
            self.saving.size(),
            lambda folder: self.saving.write(folder, state),
            self.watch.last_good_step,
        )


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
