"""PRIME's reward model: its loss against a loop over plain numbers, when it learns, and that it learns the outcome."""

import copy
import math
import random
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import PrmConfig
from spro.models import checkpointed, trainable
from spro.train.experience import Experience, gather_experience
from spro.train.optimizer import Optimizer
from spro.train.passes import SavingMemory
from spro.train.reward_model import RewardModel
from spro.train.schedule import Schedule
from spro.train.source import Scoring
from tests.models import tiny_model
from tests.unit.train.builders import make_group, make_scorer, move, with_tool_tokens

SCORES: list[list[float | None]] = [[1.0, 0.0, 0.25, 0.5], [0.75, 0.0], [0.0, 1.0, 1.0], [0.25, 0.9], [1.0, 0.0]]
LENGTHS = [[7, 3, 5, 4], [2, 8], [4, 6, 1], [5, 3], [2, 6]]
GROUPS = [with_tool_tokens(make_group(i, SCORES[i], LENGTHS[i])) for i in range(5)]
WHOLE = 1000
"""Tokens that hold all responses together."""


def experience_of(reference: PreTrainedModel) -> Experience:
    """With the log-probs of a reference."""
    experience = make_scorer(reference, frozenset({"ref_log_probs"})).score(GROUPS)
    assert experience.batch.response_mask.sum() < sum(map(sum, LENGTHS)), "or no token is a tool's"
    return experience


def moved() -> PreTrainedModel:
    model = tiny_model("qwen2")
    move(model, 0.05)
    return model


def reward_model(
    model: PreTrainedModel, max_tokens: int = WHOLE, saving_memory: SavingMemory = nullcontext, **settings: object
) -> RewardModel:
    section = PrmConfig.model_validate({"learning_rate": 1e-2, "beta": 0.5, "max_grad_norm": 1e9} | settings)
    optimizer = Optimizer(trainable(model), section, Schedule(99, decay="constant"))
    return RewardModel(model, section, optimizer, Scoring(0.7, max_tokens), saving_memory)


@torch.no_grad()
def slow_log_probs(model: PreTrainedModel) -> list[list[float | None]]:
    """By full logits, one response at a time, as Python floats; None at a tool's tokens."""
    rows = []
    for group in GROUPS:
        for response in group.responses:
            prompt = group.prompt.token_ids
            logits = model(torch.tensor([prompt + response.token_ids])).logits[0] / 0.7
            assert response.response_mask is not None
            row: list[float | None] = []
            for t, token in enumerate(response.token_ids):
                of_next = logits[len(prompt) - 1 + t].double().tolist()
                top = max(of_next)
                total = top + math.log(math.fsum(math.exp(value - top) for value in of_next))
                row.append(of_next[token] - total if response.response_mask[t] else None)
            rows.append(row)
    return rows


def test_loss_log_probs_and_accuracy_are_those_of_the_loop() -> None:
    model = moved()
    experience = experience_of(tiny_model("qwen2"))
    prm, ref = slow_log_probs(model), experience.batch.require("ref_log_probs", "test").tolist()
    losses, right = [], []
    outcomes = [score for scores in SCORES for score in scores if score is not None]
    for row, outcome in enumerate(outcomes):
        logit = 0.5 * math.fsum(p - ref[row][t] for t, p in enumerate(prm[row]) if p is not None)
        probability = 1 / (1 + math.exp(-logit))
        losses.append(-outcome * math.log(probability) - (1 - outcome) * math.log(1 - probability))
        right.append((logit > 0) == (outcome > 0.5))
    log_probs, stats = reward_model(model).score(experience)
    assert float(stats["prm/loss"]) == pytest.approx(sum(losses) / len(losses), abs=1e-5)
    assert float(stats["prm/accuracy"]) == pytest.approx(sum(right) / len(right))
    assert 0 < sum(right) < len(right), "or accuracy could be a constant"
    assert stats["prm/skipped_updates"] == 0
    for row, expected in enumerate(prm):
        padded = [0.0 if p is None else p for p in expected]
        padded += [0.0] * (log_probs.shape[1] - len(padded))
        assert log_probs[row].tolist() == pytest.approx(padded, abs=1e-5)


def caught(one: RewardModel, experience: Experience) -> list[Tensor]:
    """The gradient that its optimizer would read."""
    found: list[Tensor] = []
    one.optimizer.adamw.register_step_pre_hook(
        lambda optimizer, args, kwargs: found.extend(weight.grad.clone() for weight in one.model.parameters())
    )
    one.score(experience)
    return found


@pytest.mark.parametrize("saving_memory", [nullcontext, checkpointed])
@pytest.mark.parametrize("max_tokens", [1, 30, 60])
def test_the_gradient_is_the_same_for_every_split(max_tokens: int, saving_memory: SavingMemory) -> None:
    experience = experience_of(tiny_model("qwen2"))
    whole = caught(reward_model(moved()), experience)
    split = caught(reward_model(moved(), max_tokens, saving_memory), experience)
    assert max(float(gradient.abs().max()) for gradient in whole) > 1e-2
    for a, b in zip(whole, split, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def snapshots(one: RewardModel) -> list[PreTrainedModel]:
    """The model before each of its optimizer steps, filled as these are taken."""
    found: list[PreTrainedModel] = []
    one.optimizer.adamw.register_step_pre_hook(lambda optimizer, args, kwargs: found.append(copy.deepcopy(one.model)))
    return found


def test_after_scores_each_mini_batch_by_the_model_of_before_its_update() -> None:
    experience = experience_of(tiny_model("qwen2"))
    one = reward_model(moved(), max_tokens=60, update="after", mini_batches=3)
    before = snapshots(one)
    log_probs, _ = one.score(experience)
    assert len(before) == 3
    starts = experience.group_starts
    for model, first, last in zip(before, (0, 1, 3), (1, 3, 5), strict=True):
        rows = slice(starts[first], starts[last])
        expected = one.scoring.log_probs(model, experience)
        torch.testing.assert_close(log_probs[rows], expected[rows], rtol=0, atol=1e-5)
        others = [other for other in before if other is not model]
        for other in others:
            assert (one.scoring.log_probs(other, experience)[rows] - log_probs[rows]).abs().max() > 1e-3


def test_before_scores_by_the_model_that_has_learnt() -> None:
    experience = experience_of(tiny_model("qwen2"))
    one = reward_model(moved(), update="before", mini_batches=2)
    before = snapshots(one)
    log_probs, _ = one.score(experience)
    torch.testing.assert_close(log_probs, one.scoring.log_probs(one.model, experience), rtol=0, atol=1e-6)
    assert all((one.scoring.log_probs(m, experience) - log_probs).abs().max() > 1e-3 for m in before)


def test_both_learn_the_same() -> None:
    weights = []
    for update in ("before", "after"):
        one = reward_model(moved(), update=update, mini_batches=2)
        one.score(experience_of(tiny_model("qwen2")))
        weights.append([weight.detach() for weight in one.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    assert not torch.equal(weights[0][0], next(moved().parameters()))


def separable(reference: PreTrainedModel, seed: int) -> Experience:
    """Right responses have the token 7 somewhere, wrong ones the token 9; all else is chance."""
    drawn = random.Random(seed)
    groups = []
    for index in range(4):
        scores = [float(drawn.random() < 0.5) for _ in range(4)]
        group = make_group(index, list(scores), [drawn.randint(2, 6) for _ in scores])
        responses = []
        for response, score in zip(group.responses, scores, strict=True):
            tokens = [drawn.randint(20, 40) for _ in response.token_ids]
            tokens[drawn.randrange(len(tokens))] = 7 if score else 9
            responses.append(replace(response, token_ids=tuple(tokens)))
        groups.append(replace(group, responses=tuple(responses)))
    experience = gather_experience(groups, frozenset(), 0, torch.device("cpu"))
    return experience.with_tensor("ref_log_probs", Scoring(0.7, WHOLE).log_probs(reference, experience))


def test_it_learns_what_tells_right_from_wrong() -> None:
    """Fresh responses at each step, so that accuracy, measured before the update, is of responses never seen."""
    one, reference = reward_model(tiny_model("qwen2"), learning_rate=3e-3), tiny_model("qwen2")
    accuracy = [float(one.score(separable(reference, seed))[1]["prm/accuracy"]) for seed in range(30)]
    assert sum(accuracy[:2]) / 2 < 0.8
    assert sum(accuracy[-10:]) / 10 > 0.9


def test_a_reward_model_that_learns_nothing_is_skipped_and_stays() -> None:
    experience = experience_of(tiny_model("qwen2"))
    broken = experience.batch.require("ref_log_probs", "test").clone()
    broken[0, 0] = float("nan")
    one = reward_model(moved())
    _, stats = one.score(experience.with_tensor("ref_log_probs", broken))
    assert stats["prm/skipped_updates"] == 1
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), moved().parameters(), strict=True))


def test_a_stop_in_the_middle_leaves_nothing_of_it() -> None:
    one = reward_model(moved(), max_tokens=30)
    asked: list[int] = []

    def stop() -> None:
        asked.append(len(asked))
        if len(asked) == 3:
            raise KeyboardInterrupt

    one.scoring = replace(one.scoring, check=stop)
    with pytest.raises(KeyboardInterrupt):
        one.score(experience_of(tiny_model("qwen2")))
    assert all(weight.grad is None for weight in one.model.parameters())


def test_its_state_is_all_that_it_is() -> None:
    """Two steps in a row, or one, and one of another that was given its state: the same to the bit."""
    experience = experience_of(tiny_model("qwen2"))
    first = reward_model(moved(), mini_batches=2)
    first.score(experience)
    second = reward_model(tiny_model("qwen2"), mini_batches=2)
    second.load({name: tensor.clone() for name, tensor in first.state().items()})
    assert torch.equal(first.score(experience)[0], second.score(experience)[0])
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))
