"""The canary with the real engine."""

import pytest

from conftest import STOP, World
from spro.config.rollout import RolloutConfig
from spro.errors import TrainingError
from spro.train.canary import Canary

PROMPT = tuple(range(1, 201))
"""Longer than a block of the prefix cache."""


def canary(world: World) -> Canary:
    limit = RolloutConfig().log_prob_limit(str(world.model.dtype).removeprefix("torch."))
    return Canary(world.engine, world.model, PROMPT, STOP, 0.7, limit)


def test_it_is_content_after_each_push(world: World) -> None:
    for version in (2, 3):
        world.move(seed=version)
        world.engine.push(version)
        assert canary(world)(version).max_log_prob_diff < 1e-4


def test_it_catches_a_push_that_was_left_out(world: World) -> None:
    world.move()
    with pytest.raises(TrainingError, match=r"policy version 2 was pushed .* bears 1"):
        canary(world)(2)


def test_it_catches_a_push_that_brought_the_old_weights(world: World) -> None:
    """Where the version says nothing: the engine believes that it was given the new ones."""
    world.move(size=0.005)
    world.engine.version = 2
    with pytest.raises(
        TrainingError, match=r"log-probs differ from the trainer's by .* above rollout\.max_log_prob_diff"
    ):
        canary(world)(2)


def test_it_catches_a_tied_output_head_that_was_left_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if not world.model.config.tie_word_embeddings:
        return
    world.move()
    monkeypatch.setattr("spro.rollout.vllm._repack_heads", lambda worker: None)
    world.engine.push(2)
    with pytest.raises(TrainingError, match="log-probs differ"):
        canary(world)(2)


def test_it_catches_a_prefix_cache_that_was_not_dropped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    canary(world)(1)
    world.move()
    monkeypatch.setattr(world.engine.llm, "reset_prefix_cache", lambda **_: True)
    world.engine.push(2)
    with pytest.raises(TrainingError, match="log-probs differ"):
        canary(world)(2)


@pytest.mark.parametrize("started", ["llama bfloat16"], indirect=True)
def test_rounding_in_bfloat16_is_below_its_default_limit_and_old_weights_are_not(world: World) -> None:
    for version in range(2, 6):
        world.engine.push(version)
        assert canary(world)(version).mean_log_prob_diff > 1e-3, "bfloat16 does round"
    world.move()
    world.engine.version = 6
    with pytest.raises(TrainingError, match=r"by .* above rollout\.max_log_prob_diff = 0\.1"):
        canary(world)(6)
