"""The loop: Algorithm 1 of the paper. It knows no credit method by name.

tasks -> rollout -> verify -> filter -> score -> credit -> update
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spro.config import Config
from spro.credit import Method
from spro.models import Policy
from spro.rollout import Engine, Sampling
from spro.tasks import LoadReport
from spro.train.checkpoint import save_checkpoint
from spro.train.experience import Scorer
from spro.train.filter import AccuracyWindow
from spro.train.group import Group
from spro.train.held_out import HeldOut
from spro.train.interrupt import StopRequest
from spro.train.metrics import Metrics, credit_metrics, rollout_metrics, to_metrics
from spro.train.order import PromptOrder
from spro.train.progress import Display
from spro.train.run_folder import RunFolder
from spro.train.sampling import derive_seed, drop_unscored, sample_groups
from spro.train.update import Updater
from spro.verify import Grader


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


@dataclass(frozen=True)
class Trainer:
    """The parts of a run; ``spro.train.setup`` makes them from a config."""

    config: Config
    policy: Policy
    order: PromptOrder
    engine: Engine
    grader: Grader
    window: AccuracyWindow
    scorer: Scorer
    credit: Method
    updater: Updater
    held_out: HeldOut
    load_report: LoadReport
    folder: RunFolder

    def run(self, display: Display, stop: StopRequest) -> Outcome:
        """Train to the end, or to the end of the step in which a stop is asked for.

        Raises:
            TrainingError: the numbers went bad, or too little could be graded.
        """
        steps, step, tokens, latest = self.config.train.steps, 0, 0.0, self.held_out.evaluate()
        evaluations = [(0, latest)]
        self.folder.log_metrics(0, latest)
        while step < steps and not stop:
            step += 1
            is_last = step == steps
            metrics = self._step(step, is_last, display)
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

    def _step(self, step: int, is_last: bool, display: Display) -> Metrics:
        """One iteration of Algorithm 1 (lines 4 to 13)."""
        config, watch = self.config, Stopwatch()
        with watch.time("step"):
            prompts = self.order.draw(step - 1, rolled_out_prompts(config))
            with watch.time("rollout"):
                groups = sample_groups(
                    self.engine,
                    self.grader,
                    self.policy.tokenizer,
                    prompts,
                    sampling_of(config),
                    derive_seed(config.seed, step),
                )
            self._note_unscored(step, groups, display)
            kept = self.window.select(
                drop_unscored(groups, config.verify.max_unscored_share), config.train.prompts_per_step
            )
            with watch.time("score"):
                experience = self.scorer.score(kept, self.policy.pad_token_id)
            credit = self.credit.assign(experience.batch)
            learning_rate = self.updater.learning_rate
            with watch.time("update"):
                stats = self.updater.update(experience, credit.advantages)
            measured = to_metrics({**vars(stats), **credit_metrics(experience, credit, kept)})
        if _due(step, config.log.rollouts_every) or step == 1 or is_last:
            shown = kept[: config.log.rollout_groups]
            self.folder.log_rollouts(step, shown, experience, credit, self.policy.tokenizer)
        return {
            **rollout_metrics(groups),
            **measured,
            "learning_rate": learning_rate,
            "filter/in_window_fraction": sum(map(self.window.passes, kept)) / len(kept),
            **watch.seconds,
        }

    def _note_unscored(self, step: int, groups: list[Group], display: Display) -> None:
        """Keep what could not be graded, and say so once a step: it leaves the batch and would go unseen."""
        unscored = self.folder.log_unscored(step, groups)
        if unscored:
            display.say(f"step {step}: {len(unscored)} responses could not be graded, such as: {unscored[0].detail}")


def sampling_of(config: Config) -> Sampling:
    """How the training responses are sampled."""
    rollout = config.rollout
    return Sampling(rollout.group_size, rollout.max_response_length, rollout.temperature)


def rolled_out_prompts(config: Config) -> int:
    """Prompts that a step rolls out, before the filter."""
    return round(config.train.prompts_per_step * config.filter.oversample_factor)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
