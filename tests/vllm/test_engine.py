"""The real vLLM against the trainer and against the embedded engine."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from conftest import STOP, VOCABULARY, World, process_state, sequences_of
from spro.errors import ConfigError, TrainingError
from spro.models import Sequences, exported_weights, response_log_probs, score_responses
from spro.rollout import EmbeddedEngine, FinishReason, Response, Sampling

PROMPTS = [[5, 6, 7], [9], [11, 12, 13, 14, 15, 16], list(range(20, 180))]
FREQUENT_STOPS = tuple(range(3, VOCABULARY, 10))
TOLERANCE = 5e-5
"""Nats; the sums of float32 in another order."""


def token_ids(groups: list[tuple[Response, ...]]) -> list[list[tuple[int, ...]]]:
    return [[response.token_ids for response in group] for group in groups]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probs_are_the_trainers_at_the_sampling_temperature(world: World, temperature: float) -> None:
    sampling = Sampling(4, 24, temperature, FREQUENT_STOPS)
    groups = world.engine.generate(PROMPTS, sampling, seed=1)
    assert len({len(response.token_ids) for group in groups for response in group}) > 4, "they end at different times"
    assert world.differences(PROMPTS, groups, temperature).max() < TOLERANCE
    assert world.differences(PROMPTS, groups, 0.85).max() > 0.05, "a wrong temperature would show"


def test_a_change_of_weights_arrives_by_a_push_and_not_before(world: World) -> None:
    sampling = Sampling(4, 24, 1.0)
    world.move()
    stale = world.differences(PROMPTS, world.engine.generate(PROMPTS, sampling, seed=1))
    assert stale.mean() > 0.05
    world.engine.push(2)
    assert world.differences(PROMPTS, world.engine.generate(PROMPTS, sampling, seed=1)).max() < TOLERANCE


def test_every_single_weight_arrives(world: World) -> None:
    for name, parameter in world.model.named_parameters():
        with torch.no_grad():
            parameter *= 1.5
        stale = world.differences(PROMPTS[:3], world.engine.generate(PROMPTS[:3], Sampling(4, 12, 1.0), seed=1))
        assert stale.max() > 10 * TOLERANCE, f"{name} should matter"
        world.engine.push(2)
        groups = world.engine.generate(PROMPTS[:3], Sampling(4, 12, 1.0), seed=1)
        assert world.differences(PROMPTS[:3], groups).max() < 2 * TOLERANCE, name


def test_a_cached_prefix_of_old_weights_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt, sampling = [list(range(1, 201))], Sampling(2, 4, 1.0)
    world.engine.generate(prompt, sampling, seed=1)
    world.move()
    world.engine.push(2)
    assert world.differences(prompt, world.engine.generate(prompt, sampling, seed=2)).max() < TOLERANCE
    world.move(seed=2)
    with monkeypatch.context() as patch:
        patch.setattr(world.engine.llm, "reset_prefix_cache", lambda **_: True)
        world.engine.push(3)
    poisoned = world.differences(prompt, world.engine.generate(prompt, sampling, seed=2))
    assert poisoned.max() > 0.01, "without the reset the old keys and values are found"


def test_responses_bear_the_version_that_was_pushed(world: World) -> None:
    for version in (1, 7):
        world.engine.push(version)
        (group,) = world.engine.generate([[5]], Sampling(3, 4, 1.0), seed=1)
        assert {response.policy_version for response in group} == {version}


def test_a_push_that_breaks_off_leaves_nothing_to_sample_from(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[tuple[str, Tensor]]:
        yield next(iter(exported_weights(world.model)))
        raise RuntimeError("the device\nis gone")

    monkeypatch.setattr(world.engine, "weights", broken)
    with pytest.raises(TrainingError, match=r"^vLLM did not take the weights: RuntimeError: the device is gone$"):
        world.engine.push(2)
    with pytest.raises(TrainingError, match="has no weights: push them"):
        world.engine.generate([[5]], Sampling(1, 4, 1.0), seed=1)
    monkeypatch.undo()
    world.engine.push(2)
    groups = world.engine.generate(PROMPTS, Sampling(2, 12, 1.0), seed=1)
    assert world.differences(PROMPTS, groups).max() < TOLERANCE


def test_greedy_tokens_and_log_probs_are_those_of_the_embedded_engine(world: World) -> None:
    greedy = Sampling(2, 24, 0.0, FREQUENT_STOPS)
    embedded = EmbeddedEngine(world.model, (STOP,), STOP, max_rows=64)
    groups, expected = (engine.generate(PROMPTS, greedy, seed=1) for engine in (world.engine, embedded))
    assert token_ids(groups) == token_ids(expected)
    assert [[r.finish_reason for r in group] for group in groups] == [
        [r.finish_reason for r in group] for group in expected
    ]
    assert world.differences(PROMPTS, groups).max() < TOLERANCE


def test_samples_follow_the_distribution(world: World) -> None:
    temperature, prompt, drawn = 0.7, [5, 6], 3000
    with torch.no_grad():
        whole = (world.model(torch.tensor([prompt])).logits[0, -1] / temperature).softmax(-1)
    ((*responses,),) = world.engine.generate([prompt], Sampling(drawn, 1, temperature), seed=3)
    buckets = torch.arange(VOCABULARY) % 16
    expected = drawn * torch.zeros(16).index_add(0, buckets, whole)
    counts = torch.bincount(torch.tensor([r.token_ids[0] for r in responses]) % 16, minlength=16)
    # Chi-square with 15 degrees of freedom; 37.7 is its 0.999 quantile, and the seed is fixed.
    assert ((counts - expected) ** 2 / expected).sum() < 37.7


def test_the_folders_own_sampling_settings_are_ignored(world: World) -> None:
    """It says top_k 1, top_p 0.5, temperature 0.3, a repetition penalty of 1.5, and that token 7 ends a response."""
    (group,) = world.engine.generate([[5]], Sampling(400, 1, 1.0), seed=1)
    assert len({response.token_ids for response in group}) > 20
    assert world.differences([[5]], [group]).max() < TOLERANCE
    assert all(response.finish_reason is FinishReason.LENGTH for response in group if response.token_ids == (7,))
    assert any(response.token_ids == (7,) for response in group)


def test_a_response_depends_on_its_prompt_and_the_seed_alone(world: World) -> None:
    sampling = Sampling(3, 16, 1.0)
    whole = token_ids(world.engine.generate(PROMPTS, sampling, seed=7))
    assert whole == token_ids(world.engine.generate(PROMPTS, sampling, seed=7))
    assert whole != token_ids(world.engine.generate(PROMPTS, sampling, seed=8))
    assert whole[::-1] == token_ids(world.engine.generate(PROMPTS[::-1], sampling, seed=7))
    assert whole[2:3] == token_ids(world.engine.generate(PROMPTS[2:3], sampling, seed=7))
    assert len({ids for group in whole for ids in group}) == 12
    twins = token_ids(world.engine.generate([[5, 6, 7], [5, 6, 7]], sampling, seed=7))
    assert twins[0] == whole[0]
    assert not set(twins[0]) & set(twins[1]), "equal prompts have responses of their own"


def test_a_response_ends_with_its_stop_token_or_at_the_limit(world: World) -> None:
    sampling = Sampling(64, 8, 1.0, FREQUENT_STOPS)
    groups = world.engine.generate(PROMPTS, sampling, seed=2)
    responses = [response for group in groups for response in group]
    stops = {STOP, *FREQUENT_STOPS}
    assert {response.finish_reason for response in responses} == set(FinishReason)
    assert STOP in {response.token_ids[-1] for response in responses}, "the model's own stop token is one"
    for response in responses:
        stopped = response.finish_reason is FinishReason.STOP
        assert [token in stops for token in response.token_ids].count(True) == stopped
        assert (response.token_ids[-1] in stops) == stopped
        assert stopped or len(response.token_ids) == 8
        assert len(response.rollout_log_probs) == len(response.token_ids)


@pytest.mark.parametrize("temperature", [1.0, 0.0])
def test_groups_have_their_size_and_the_order_of_the_prompts(world: World, temperature: float) -> None:
    for size in (1, 3, 17):
        groups = world.engine.generate(PROMPTS, Sampling(size, 5, temperature), seed=1)
        assert [len(group) for group in groups] == [size] * len(PROMPTS)
        assert world.differences(PROMPTS, groups, 1.0).max() < TOLERANCE, "else some stand behind another prompt"
    assert world.engine.generate([], Sampling(2, 5, temperature), seed=1) == []


def test_a_prompt_that_fills_the_positions_is_refused_and_one_that_nearly_does_is_answered(world: World) -> None:
    limit = 256 + 64
    with pytest.raises(ConfigError, match=r"^a prompt has 320 tokens, and vLLM holds 320 .* raise rollout\.max_pr"):
        world.engine.generate([[5], [9] * limit], Sampling(1, 8, 1.0), seed=1)
    (group,) = world.engine.generate([[9] * (limit - 3)], Sampling(2, 64, 1.0), seed=1)
    assert [len(response.token_ids) for response in group] == [3, 3]


def test_a_stop_in_the_middle_of_a_rollout_passes_through_and_leaves_the_engine_fit(world: World) -> None:
    class StopHereError(Exception):
        pass

    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise StopHereError

    expected = world.engine.generate(PROMPTS, Sampling(3, 16, 1.0), seed=7)
    world.engine.check = check
    with pytest.raises(StopHereError):
        world.engine.generate(PROMPTS, Sampling(3, 16, 1.0), seed=7)
    assert world.engine.generate(PROMPTS, Sampling(3, 16, 1.0), seed=7) == expected


def test_weights_that_went_bad_are_named(world: World) -> None:
    with torch.no_grad():
        next(world.model.parameters()).fill_(float("nan"))
    world.engine.push(2)
    with pytest.raises(TrainingError, match="logits are not finite"):
        world.engine.generate([[5]], Sampling(2, 4, 1.0), seed=1)


def test_generators_and_threads_of_the_process_are_left_alone(world: World) -> None:
    assert world.process_is_as_before, "by the start of vLLM"
    before = process_state()
    world.engine.push(2)
    world.engine.generate(PROMPTS, Sampling(3, 8, 1.0), seed=1)
    assert process_state() == before


def test_gradients_of_a_rollout_are_those_of_its_tokens_sampled_locally(world: World) -> None:
    groups = world.engine.generate(PROMPTS, Sampling(4, 24, 0.7, FREQUENT_STOPS), seed=1)
    sequences = sequences_of(PROMPTS, groups)
    mask = sequences.response_mask(world.model.device)
    local = response_log_probs(world.model, sequences, 0.7, 4096)
    remote = torch.zeros_like(local)
    remote[mask] = torch.tensor([lp for group in groups for one in group for lp in one.rollout_log_probs])
    advantages = torch.randn(local.shape, generator=torch.Generator().manual_seed(0))
    gradients = [_gradient(world, sequences, old, advantages * mask) for old in (local, remote)]
    assert (gradients[1] - gradients[0]).norm() < 1e-4 * gradients[0].norm()
    off = _gradient(world, sequences, remote - 0.01 * mask * advantages, advantages * mask)
    assert (off - gradients[0]).norm() > 1e-3 * gradients[0].norm(), "log-probs that are off would show"


def _gradient(world: World, sequences: Sequences, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    """Of the surrogate that every update is made of."""
    world.model.zero_grad()
    log_probs = score_responses(world.model, sequences, 0.7).log_probs
    ((log_probs - old_log_probs).exp() * advantages).sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in world.model.parameters()])
