"""A run with an engine and a verifier that say what they are told to."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from spro.config import (
    AccuracyWindowFilter,
    ChainTask,
    Config,
    EvaluateConfig,
    FilterConfig,
    FrozenReference,
    LogConfig,
    ModelConfig,
    ReferenceConfig,
    RolloutConfig,
    TrainConfig,
)  # fmt: skip
from spro.models import load_policy
from spro.rollout import FinishReason, Response, Sampling
from spro.tasks import Message, Problem, Prompt
from spro.train.filter import build_filter
from spro.train.gather import Gatherer
from spro.train.group import Group
from spro.train.held_out import HeldOut
from spro.train.interrupt import StopRequest
from spro.train.learn import Learned, Learner
from spro.train.loop import Outcome, Trainer
from spro.train.memory import MemoryGauge
from spro.train.metrics import Metrics
from spro.train.order import PromptOrder
from spro.train.prepare import Preparation, build_preparations
from spro.train.run_folder import RunFolder
from spro.train.saving import Saving
from spro.train.stopwatch import Stopwatch
from spro.train.watch import Watch
from spro.verify import Status, Verdict
from tests.unit.train.builders import make_judge, make_learner

SCORES = {
    "none": [0.0] * 4,
    "half": [1.0, 0.0, 1.0, 0.0],
    "all": [1.0] * 4,
    "broken": [1.0, None, 0.0, None],
    "lost": [None] * 4,
    "late": [None, 1.0, 0.0, 1.0],
}


@dataclass
class ScriptedEngine:
    """Member i of a group writes i + 1 tokens, the first of which says which member it is."""

    asked: list[tuple[int, Sampling, int]] = field(default_factory=list)
    prompts: list[list[tuple[int, ...]]] = field(default_factory=list)
    version: int = 0

    def push(self, version: int) -> Metrics:
        self.version = version
        return {}

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        self.asked.append((len(prompts), sampling, seed))
        self.prompts.append([tuple(prompt) for prompt in prompts])
        return [tuple(self._member(i) for i in range(sampling.group_size)) for _ in prompts]

    def _member(self, i: int) -> Response:
        return Response((2 + i, *[12] * i), (-1.0,) * (i + 1), FinishReason.STOP, policy_version=self.version)


def scripted_verifier(response: str, ground_truth: str) -> Verdict:
    score = SCORES[ground_truth][int(response[0])]
    if score is None:
        return Verdict(None, Status.UNSCORED, detail="broken verifier")
    return Verdict(score, Status.CORRECT if score else Status.WRONG)


@dataclass(frozen=True)
class RecordingLearner(Learner):
    """Notes which groups are learned from."""

    seen: list[list[Group]] = field(default_factory=list)

    def learn(self, groups: Sequence[Group], watch: Stopwatch) -> Learned:
        self.seen.append(list(groups))
        return super().learn(groups, watch)


class Silent:
    """A display that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, step: int, metrics: Metrics) -> None:
        pass

    def close(self) -> None:
        pass


def make_prompts(kinds: Sequence[str]) -> list[Prompt]:
    message = (Message(role="user", content="?"),)
    return [
        Prompt(Problem(f"{kind}-{i}", message, kind, "script", "test"), (2 + i // 10, 2 + i % 10))
        for i, kind in enumerate(kinds)
    ]


WINDOW, FROZEN = AccuracyWindowFilter(), FrozenReference()


def make_config(steps: int = 1, filter: FilterConfig = WINDOW, reference: ReferenceConfig = FROZEN) -> Config:
    return Config(
        model=ModelConfig(path="builtin:chain"),
        task=ChainTask(type="chain"),
        rollout=RolloutConfig(max_response_length=8),
        filter=filter,
        reference=reference,
        train=TrainConfig(steps=steps, prompts_per_step=3),
        evaluate=EvaluateConfig(every=2),
        log=LogConfig(checkpoint_every=2),
    )


def replace_learning_rate(config: Config, rate: float) -> Config:
    return config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"learning_rate": rate})})


@dataclass
class Run:
    trainer: Trainer
    engine: ScriptedEngine
    learner: RecordingLearner
    display: Silent
    outcome: Outcome
    lines: list[dict[str, float]]


def build(
    tmp_path: Path,
    config: Config,
    kinds: Sequence[str],
    held_out: Sequence[str] = (),
    more: str | None = None,
    preparations: tuple[Preparation, ...] = (),
    resume: bool = False,
) -> Trainer:
    """Of a run of SPRO; ``more`` names a tensor that is made beside those it needs."""
    policy, stop = load_policy("builtin:chain", "cpu"), StopRequest()
    learner = make_learner(policy.model, config, stop=stop)
    needs = learner.needs | ({more} if more else set())
    learner = RecordingLearner(**{**vars(learner), "policy": policy, "needs": needs})
    engine, judge = ScriptedEngine(), make_judge(policy.tokenizer, script=scripted_verifier)
    folder = RunFolder(tmp_path / "run", config, resume)
    preparations = preparations or build_preparations(needs, config, policy, engine, judge)
    order, chosen = PromptOrder(make_prompts(kinds), 0), build_filter(config.filter)
    return Trainer(
        config=config,
        gatherer=Gatherer(config, order, engine, judge, chosen, preparations, folder, stop.check),
        learner=learner,
        held_out=HeldOut(engine, judge, make_prompts(held_out), Sampling(4, 8, 1.0), 0),
        push=engine.push,
        close=folder.close,
        watch=Watch(config.watch),
        saving=Saving(policy, learner.updater.optimizer, learner.sources),
        folder=folder,
        stop=stop,
        notes=(),
        gauge=MemoryGauge(torch.device("cpu")),
    )


def lines_of(tmp_path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]


def run(tmp_path: Path, *parts: Any, **further: Any) -> Run:
    """See ``build``."""
    trainer, display = build(tmp_path, *parts, **further), Silent()
    with closing(trainer):
        outcome = trainer.run(display)
    assert isinstance(trainer.learner, RecordingLearner)
    assert isinstance(trainer.gatherer.engine, ScriptedEngine)
    return Run(trainer, trainer.gatherer.engine, trainer.learner, display, outcome, lines_of(tmp_path))
