"""Graded groups made by hand, and what learns from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel

from spro.config import ChainTask, Config, FrozenReference, LossConfig, ModelConfig, OptimizerConfig, TrainConfig
from spro.loss import NoCorrection, RolloutCorrection
from spro.models import Policy, hold_reference, trainable
from spro.rollout import FinishReason, Response
from spro.tasks import Message, Problem, Prompt
from spro.train.companions import build_sources, find_needs, memory_saver, pick_teacher, policy_optimizer
from spro.train.experience import Experience, gather_experience
from spro.train.group import Group
from spro.train.interrupt import StopRequest
from spro.train.judge import Judge, Judged
from spro.train.learn import Learner
from spro.train.lessons import Teacher
from spro.train.log_probs import OldLogProbs, RefLogProbs
from spro.train.reference import Frozen
from spro.train.reward import OverlongPenalty
from spro.train.setup import build_credit, build_surrogate
from spro.train.source import Scoring, Source
from spro.train.update import Updater
from spro.verify import Grader, Status, Verdict, Verifier, verify_chain


def make_prompt(index: int, token_ids: tuple[int, ...] = (5, 6)) -> Prompt:
    problem = Problem(f"p{index}", (Message(role="user", content="?"),), "1", "chain", "test")
    return Prompt(problem, token_ids)


def make_verdict(score: float | None) -> Verdict:
    if score is None:
        return Verdict(None, Status.UNSCORED, detail="the worker died")
    return Verdict(score, {0.0: Status.WRONG, 1.0: Status.CORRECT}.get(score, Status.PARTIAL))


def make_group(index: int, scores: list[float | None], lengths: list[int] | None = None) -> Group:
    """A group with the given scores; responses of different lengths and tokens."""
    lengths = lengths or [1 + (index + i) % 4 for i in range(len(scores))]
    responses = tuple(
        Response(tuple(range(3 + i, 3 + i + n)), (-1.0,) * n, FinishReason.STOP) for i, n in enumerate(lengths)
    )
    judged = tuple(Judged("x" * n, make_verdict(score), score) for n, score in zip(lengths, scores, strict=True))
    return Group(make_prompt(index), responses, judged)


def with_tool_tokens(group: Group) -> Group:
    """The same, with every third token of a response by a tool, never the last one."""
    masks = [tuple(t % 3 != 1 or t + 1 == len(r.token_ids) for t in range(len(r.token_ids))) for r in group.responses]
    holed = tuple(replace(r, response_mask=mask) for r, mask in zip(group.responses, masks, strict=True))
    return replace(group, responses=holed)


@dataclass(frozen=True)
class Scorer:
    """The sources of a run, and the experience that they make together."""

    needs: frozenset[str]
    sources: tuple[Source, ...]

    def score(self, groups: Sequence[Group], pad_token_id: int = 0) -> Experience:
        experience = gather_experience(groups, self.needs, pad_token_id, torch.device("cpu"))
        for source in self.sources:
            experience = experience.with_tensor(source.tensor, source.score(experience)[0])
        return experience


def make_scorer(
    model: PreTrainedModel, needs: frozenset[str], temperature: float = 1.0, max_tokens: int = 24
) -> Scorer:
    """The old log-probs in any case, and those of a frozen reference if they are needed; few tokens a forward."""
    scoring = Scoring(temperature, max_tokens)
    sources: list[Source] = [OldLogProbs(model, scoring)]
    if RefLogProbs.tensor in needs:
        sources.append(RefLogProbs(model, hold_reference(model, FrozenReference()), Frozen(), scoring))
    return Scorer(needs, tuple(sources))


def make_config(train: dict[str, int] | None = None, **sections: object) -> Config:
    """Of a run of two steps of five prompts, whose gradients are not clipped."""
    defaults: dict[str, object] = {
        "model": ModelConfig(path="in memory"),
        "task": ChainTask(type="chain"),
        "rollout": {"max_prompt_length": 2, "max_response_length": 8},
        "loss": LossConfig(entropy_coef=0.01),
        "optimizer": OptimizerConfig(learning_rate=1e-3, max_grad_norm=1e9),
        "train": TrainConfig(**({"steps": 2, "prompts_per_step": 5} | (train or {}))),
    }
    return Config.model_validate(defaults | sections)


def make_learner(
    model: PreTrainedModel,
    config: Config,
    teacher: Teacher | None = None,
    correction: RolloutCorrection | None = None,
    stop: StopRequest | None = None,
) -> Learner:
    """What a run of the settings has; the teacher may be another than it would pick."""
    method, stop = build_credit(config.credit), StopRequest() if stop is None else stop
    teacher = teacher or pick_teacher(config, method)
    needs = find_needs(config, method, teacher)
    sources = build_sources(config, model, needs, method, stop)
    updater = Updater(
        model,
        build_surrogate(config.loss),
        correction or NoCorrection(),
        config,
        policy_optimizer(config, model, needs, stop),
        memory_saver(config),
        stop.check,
    )
    policy = Policy(model, None, (0,), 0, "in memory")  # type: ignore[arg-type]
    return Learner(config, policy, needs, sources, method, teacher, updater)


@torch.no_grad()
def move(model: PreTrainedModel, size: float = 0.02) -> None:
    """Away from where it began, as training would."""
    for index, (_, weight) in enumerate(trainable(model)):
        weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(index)), alpha=size)


FREE = OverlongPenalty(limit=8)


def make_judge(tokenizer: object, penalty: OverlongPenalty = FREE, **verifiers: Verifier) -> Judge:
    """By verifiers that need no process, the lab task's among them; without reward functions."""
    return Judge(Grader({"chain": verify_chain, **verifiers}), tokenizer, penalty)  # type: ignore[arg-type]
