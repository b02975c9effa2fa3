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

    def run(self, display: Display, stop: StopRequest) -> tuple[Metrics, Metrics]:
        """Train to the end, or to the end of the step in which a stop is asked for.

        Returns:
            The evaluation before the first step, and the last value of every metric.

        Raises:
            TrainingError: the numbers went bad, or too little could be graded.
        """
        first = self.held_out.evaluate()
        self.folder.log_metrics(0, first)
        latest = dict(first)
        steps, tokens, step = self.config.train.steps, 0.0, 0
        while step < steps and not stop:
            step += 1
            is_last = step == steps
            metrics = self._step(step, is_last)
            tokens += metrics.pop("tokens") or 0
            metrics["tokens"] = tokens
            # Not when a stop is asked for: who presses Ctrl-C wants the weights, not another evaluation.
            if _due(step, self.config.evaluate.every) or is_last:
                metrics |= self.held_out.evaluate()
            self.folder.log_metrics(step, metrics)
            latest |= metrics
            display.show(step, latest)
            if _due(step, self.config.log.checkpoint_every) or is_last or stop:
                save_checkpoint(self.folder.checkpoints, self.policy, step)
        return first, latest

    def _step(self, step: int, is_last: bool) -> Metrics:
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
            graded = drop_unscored(groups, config.verify.max_unscored_share)
            kept = self.window.select(graded, config.train.prompts_per_step)
            with watch.time("score"):
                experience = self.scorer.score(kept, self.policy.pad_token_id)
            advantages, terms = self.credit(experience.batch), self.credit.terms(experience.batch)
            learning_rate = self.updater.learning_rate
            with watch.time("update"):
                stats = self.updater.update(experience, advantages)
            measured = to_metrics({**vars(stats), **credit_metrics(experience, advantages, terms, kept)})
        if _due(step, config.log.rollouts_every) or step == 1 or is_last:
            shown = kept[: config.log.rollout_groups]
            self.folder.log_rollouts(step, shown, experience, advantages, terms, self.policy.tokenizer)
        return {
            **rollout_metrics(groups),
            **measured,
            "learning_rate": learning_rate,
            "filter/kept_fraction": sum(map(self.window.passes, kept)) / len(kept),
            "tokens": float(sum(len(r.token_ids) for group in groups for r in group.responses)),
            **watch.seconds,
        }


def sampling_of(config: Config) -> Sampling:
    """How the training responses are sampled."""
    rollout = config.rollout
    return Sampling(rollout.group_size, rollout.max_response_length, rollout.temperature)


def rolled_out_prompts(config: Config) -> int:
    """Prompts that a step rolls out, before the filter."""
    return round(config.train.prompts_per_step * config.filter.oversample_factor)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
