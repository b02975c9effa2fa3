"""The decode loop against plain forwards and against transformers' own generate."""

import pytest
import torch
from transformers import PreTrainedModel

from spro.models import Sequences, response_log_probs
from spro.rollout import EmbeddedEngine, FinishReason, Response, Sampling
from tests.models import tiny_model

FAMILIES = ["qwen2", "llama", "gemma", "gpt2", "gemma3"]
PROMPTS = [[5, 6, 7], [9], [11, 12, 13, 14, 15, 16], [30, 31]]


def engine(model: PreTrainedModel, stop: tuple[int, ...] = (0,), max_rows: int = 64) -> EmbeddedEngine:
    return EmbeddedEngine(model, stop, pad_token_id=0, max_rows=max_rows)


def frequent_stops(model: PreTrainedModel) -> tuple[int, ...]:
    """A fifth of the vocabulary ends a response, so that rows leave the batch at many different times."""
    return tuple(range(0, model.config.vocab_size, 5))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("room", [1, 5, 128])
def test_sampled_log_probs_equal_recomputed_ones(
    family: str, temperature: float, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spro.rollout.cache.ROOM", room)
    model = tiny_model(family)
    groups = engine(model, frequent_stops(model)).generate(PROMPTS, Sampling(6, 12, temperature), seed=1)
    flat = [(prompt, response) for prompt, group in zip(PROMPTS, groups, strict=True) for response in group]
    assert len({len(response.token_ids) for _, response in flat}) > 4, "rows should end at different times"
    sequences = Sequences(
        prompts=tuple(tuple(prompt) for prompt, _ in flat),
        responses=tuple(response.token_ids for _, response in flat),
        pad_token_id=0,
    )
    log_probs = response_log_probs(model, sequences, temperature, max_tokens=64)
    sampled = torch.tensor([lp for _, response in flat for lp in response.rollout_log_probs])
    recomputed = log_probs[sequences.response_mask(model.device)]
    torch.testing.assert_close(sampled, recomputed, rtol=0, atol=2e-5)


def test_a_group_larger_than_the_cache_comes_in_parts() -> None:
    model = tiny_model("qwen2")
    rows: list[int] = []
    model.register_forward_pre_hook(lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True)
    small = engine(model, frequent_stops(model), max_rows=3)
    groups = small.generate(PROMPTS, Sampling(8, 12, 1.0), seed=1)
    assert [len(group) for group in groups] == [8] * len(PROMPTS)
    assert max(rows) == 3
    assert all(len({response.token_ids for response in group}) > 3 for group in groups), "no part repeats another"
    sequences = Sequences(
        prompts=tuple(tuple(prompt) for prompt in PROMPTS for _ in range(8)),
        responses=tuple(response.token_ids for group in groups for response in group),
        pad_token_id=0,
    )
    recomputed = response_log_probs(model, sequences, 1.0, max_tokens=64)[sequences.response_mask(model.device)]
    sampled = torch.tensor([lp for group in groups for response in group for lp in response.rollout_log_probs])
    torch.testing.assert_close(sampled, recomputed, rtol=0, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_equals_generate_of_transformers(family: str) -> None:
    model = tiny_model(family)
    groups = engine(model, stop=(999,)).generate(PROMPTS, Sampling(1, 10, 0.0), seed=0)
    for prompt, (response,) in zip(PROMPTS, groups, strict=True):
        ids = torch.tensor([prompt])
        expected = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=10, eos_token_id=999
        )
        assert list(response.token_ids) == expected[0, len(prompt) :].tolist()


def test_a_response_ends_with_its_stop_token_or_at_the_limit() -> None:
    model = tiny_model("qwen2")
    stops = frequent_stops(model)
    groups = engine(model, stops).generate(PROMPTS, Sampling(16, 8, 1.0), seed=2)
    responses = [response for group in groups for response in group]
    assert {response.finish_reason for response in responses} == set(FinishReason)
    for response in responses:
        stopped = response.finish_reason is FinishReason.STOP
        assert [token in stops for token in response.token_ids].count(True) == stopped
        assert (response.token_ids[-1] in stops) == stopped
        assert stopped or len(response.token_ids) == 8
        assert len(response.rollout_log_probs) == len(response.token_ids)


def test_samples_follow_the_distribution() -> None:
    model = tiny_model("qwen2", vocab_size=8)
    with torch.no_grad():
        expected = model(torch.tensor([[5, 6]])).logits[0, -1].softmax(-1)
    ((*responses,),) = engine(model, (0,), max_rows=4000).generate([[5, 6]], Sampling(4000, 1, 1.0), seed=3)
    counts = torch.bincount(torch.tensor([r.token_ids[0] for r in responses]), minlength=8)
    # Chi-square with 7 degrees of freedom; 24.3 is its 0.999 quantile, and the seed is fixed.
    assert ((counts - 4000 * expected) ** 2 / (4000 * expected)).sum() < 24.3


def test_the_same_seed_gives_the_same_responses_and_another_seed_others() -> None:
    model = tiny_model("llama")

    def sample(seed: int) -> list[tuple[Response, ...]]:
        return engine(model).generate(PROMPTS, Sampling(3, 10, 1.0), seed)

    assert sample(7) == sample(7)
    assert sample(7) != sample(8)


def test_groups_come_in_order_however_many_rows_fit() -> None:
    model = tiny_model("qwen2")
    greedy = Sampling(2, 6, 0.0)
    whole = engine(model, max_rows=64).generate(PROMPTS, greedy, 0)
    split = engine(model, max_rows=3).generate(PROMPTS, greedy, 0)
    assert [[r.token_ids for r in group] for group in whole] == [[r.token_ids for r in group] for group in split]


def test_stop_tokens_of_the_call_end_responses_beside_those_of_the_model() -> None:
    model = tiny_model("qwen2")
    stops = frequent_stops(model)
    own, called = stops[::2], stops[1::2]
    split = engine(model, own).generate(PROMPTS, Sampling(8, 12, 1.0, called), seed=2)
    assert split == engine(model, stops).generate(PROMPTS, Sampling(8, 12, 1.0), seed=2)
    assert split != engine(model, own).generate(PROMPTS, Sampling(8, 12, 1.0), seed=2)


def test_responses_bear_the_version_that_was_pushed() -> None:
    pushed = engine(tiny_model("qwen2"))
    for version in (3, 4):
        pushed.push(version)
        groups = pushed.generate(PROMPTS, Sampling(2, 3, 1.0), seed=1)
        assert {response.policy_version for group in groups for response in group} == {version}


def test_a_stop_in_the_middle_of_a_rollout_passes_through() -> None:
    class StopHereError(Exception):
        pass

    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise StopHereError

    watched = EmbeddedEngine(tiny_model("qwen2"), (999,), 0, 64, check)
    with pytest.raises(StopHereError):
        watched.generate(PROMPTS, Sampling(2, 12, 1.0), seed=1)
    calls = 5
    watched.generate(PROMPTS, Sampling(2, 12, 1.0), seed=1)
    assert calls == 5 + 12, "once a decoded token"
