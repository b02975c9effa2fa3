"""The canary with engines that hold weights of their own."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from spro.errors import TrainingError
from spro.rollout import EmbeddedEngine, Response, Sampling
from spro.train.canary import Canary
from tests.models import tiny_model

PROMPT = (5, 6, 7)


class CopyEngine:
    """Samples from a copy of the weights, as an engine in another process does; ``is_deaf``: it takes no new ones."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.live = model
        self.is_deaf = False
        self.inner = EmbeddedEngine(deepcopy(model), (0,), pad_token_id=0, max_rows=8)

    def push(self, version: int) -> None:
        self.inner.push(version)
        if not self.is_deaf:
            self.inner.model.load_state_dict(self.live.state_dict())

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        return self.inner.generate(prompts, sampling, seed)


class ToolLikeEngine(CopyEngine):
    """Puts a token that the policy did not write in the middle of each response."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        (group,) = super().generate([[*prompts[0], 9, 11]], sampling, seed)
        return [
            tuple(
                replace(
                    one,
                    token_ids=(9, 11, *one.token_ids),
                    rollout_log_probs=(0.0, 0.0, *one.rollout_log_probs),
                    response_mask=(False, False, *(True for _ in one.token_ids)),
                )
                for one in group
            )
        ]


def move(model: PreTrainedModel, size: float) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)


def canary(engine: CopyEngine, temperature: float = 1.0, limit: float = 1e-3) -> Canary:
    return Canary(engine, engine.live, PROMPT, 0, temperature, limit)


@pytest.mark.parametrize("family", ["qwen2", "gpt2"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_an_engine_with_the_trainers_weights_passes(family: str, temperature: float) -> None:
    engine = CopyEngine(tiny_model(family))
    for version in (1, 2):
        move(engine.live, 0.1)
        engine.push(version)
        reading = canary(engine, temperature)(version)
        assert reading.mean_log_prob_diff <= reading.max_log_prob_diff < 1e-4
        assert 4 <= reading.tokens <= 64


def test_an_engine_that_keeps_old_weights_is_caught() -> None:
    engine = CopyEngine(tiny_model("qwen2"))
    engine.push(1)
    canary(engine)(1)
    engine.is_deaf = True
    move(engine.live, 0.1)
    engine.push(2)
    line = r"^after the push of policy version 2 the engine's log-probs differ from the trainer's by \S+ nats in the .*"
    with pytest.raises(TrainingError, match=line + r"above rollout\.max_log_prob_diff = 0\.001: the engine holds"):
        canary(engine)(2)
    assert canary(engine, limit=10.0)(2).mean_log_prob_diff > 1e-3, "the limit is the one that is given"


def test_an_engine_that_samples_at_another_temperature_is_caught() -> None:
    engine = CopyEngine(tiny_model("qwen2"))
    move(engine.live, 0.3)
    engine.push(1)
    sampled = engine.generate([PROMPT], Sampling(4, 16, 0.7), seed=1)
    engine.generate = lambda *_, **__: sampled  # type: ignore[method-assign]
    canary(engine, 0.7)(1)
    with pytest.raises(TrainingError, match="log-probs differ"):
        canary(engine, 1.0)(1)


def test_a_push_that_was_left_out_shows_in_the_version_when_the_weights_say_nothing() -> None:
    engine = CopyEngine(tiny_model("qwen2"))
    engine.push(1)
    with pytest.raises(TrainingError, match=r"^policy version 2 was pushed to the engine, and what it samples bears 1"):
        canary(engine)(2)


def test_weights_that_are_not_numbers_do_not_pass() -> None:
    engine = CopyEngine(tiny_model("qwen2"))
    engine.push(1)
    with torch.no_grad():
        next(engine.live.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="differ from the trainer's by nan"):
        canary(engine)(1)


def test_tokens_that_the_policy_did_not_write_are_not_compared() -> None:
    engine = ToolLikeEngine(tiny_model("qwen2"))
    engine.push(1)
    assert canary(engine)(1).max_log_prob_diff < 1e-4
