"""When old log-probs and credit are made: the gradient does not depend on it, what a step costs does."""

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import CreditConfig, LossConfig, ModelConfig
from spro.credit import Credit, Method
from spro.models.head import linear_head
from spro.train.experience import Experience
from spro.train.learn import Learned, Learner
from spro.train.lessons import GroupLessons, KnownLessons, OnPolicyLessons, Teacher
from spro.train.log_probs import RefLogProbs
from spro.train.source import Scoring
from spro.train.stopwatch import Stopwatch
from tests.models import tiny_model
from tests.unit.train.builders import make_config, make_group, make_learner, move, with_tool_tokens

SCORES: list[list[float | None]] = [
    [1.0, 0.0, 0.5, 0.0],
    [0.0, 1.0, 1.0],
    [0.25, 0.0, 1.0, 1.0],
    [1.0, 0.0],
    [0.5, 0.0],
]
LENGTHS = [[7, 3, 5, 4], [2, 8, 6], [4, 4, 7, 3], [5, 6], [1, 3]]
PLAIN = [make_group(i, SCORES[i], LENGTHS[i]) for i in range(5)]
HOLED = [with_tool_tokens(group) for group in PLAIN]
WHOLE = 1000
"""Tokens that hold all responses together."""


def learner(
    model: PreTrainedModel, credit: str, teacher: Teacher | None = None, tokens: int = WHOLE, **settings: Any
) -> Learner:
    """With a policy that has left its reference, and, of its method, models beside it."""
    model_section = ModelConfig(path="in memory", gradient_checkpointing=settings.pop("gradient_checkpointing", False))
    train = {"micro_batch_tokens": tokens} | settings
    config = make_config(train, credit=CreditConfig(type=credit), model=model_section)
    found = make_learner(model, config, teacher)
    move(model)
    return found


class Watched:
    """What the optimizer of the policy would read, and how many forwards that took."""

    def __init__(self, one: Learner) -> None:
        self.gradients: list[Tensor] = []
        self.forwards = 0
        model = one.policy.model
        linear_head(model)
        model.base_model.register_forward_hook(self._count)
        one.updater.optimizer.adamw.register_step_pre_hook(
            lambda optimizer, args, kwargs: self.gradients.extend(
                torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()
            )
        )

    def _count(self, module: object, inputs: object, output: Any) -> None:
        self.forwards += output.last_hidden_state.requires_grad


def learned(one: Learner, groups: list[Any] = HOLED) -> tuple[Watched, Learned]:
    watched = Watched(one)
    return watched, one.learn(groups, Stopwatch())


def assert_same(left: list[Tensor], right: list[Tensor]) -> None:
    largest = max(float(tensor.abs().max()) for tensor in left)
    assert largest > 1e-3
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


TAUGHT = [
    ("spro", KnownLessons), ("spro", GroupLessons), ("grpo", KnownLessons), ("grpo", OnPolicyLessons),
    ("grpo", GroupLessons), ("prime", OnPolicyLessons), ("prime", KnownLessons), ("ppo", OnPolicyLessons),
    ("ppo", KnownLessons),
]  # fmt: skip


@pytest.mark.parametrize("groups", [PLAIN, HOLED], ids=["plain", "tool"])
@pytest.mark.parametrize(("credit", "teacher"), TAUGHT)
def test_the_gradient_is_the_same_for_every_split(credit: str, teacher: Teacher, groups: list[Any]) -> None:
    """In one forward, in two, in four and more, and with every layer computed again."""
    model = tiny_model("qwen2")
    whole, _ = learned(learner(copy.deepcopy(model), credit, teacher), groups)
    assert whole.forwards == 1
    counts = []
    for tokens, checkpoint in ((100, False), (32, False), (1, False), (32, True)):
        one = learner(copy.deepcopy(model), credit, teacher, tokens, gradient_checkpointing=checkpoint)
        split, _ = learned(one, groups)
        counts.append(split.forwards)
        assert_same(whole.gradients, split.gradients)
    assert counts == [2, 4, 5 if teacher is GroupLessons else 15, 4]


@pytest.mark.parametrize(
    ("credit", "others"), [("spro", [GroupLessons]), ("grpo", [OnPolicyLessons, GroupLessons])], ids=["spro", "grpo"]
)
@pytest.mark.parametrize("tokens", [WHOLE, 60])
def test_all_lessons_teach_the_same(credit: str, others: list[Teacher], tokens: int) -> None:
    """Gradient, old log-probs, advantages and their terms; those of SPRO with an MSA that is not 0."""
    model = tiny_model("qwen2")
    known, of_known = learned(learner(copy.deepcopy(model), credit, KnownLessons, tokens))
    for teacher in others:
        watched, found = learned(learner(copy.deepcopy(model), credit, teacher, tokens))
        assert_same(known.gradients, watched.gradients)
        assert_credit_same(of_known.credit, found.credit)
        old = [one.experience.batch.require("old_log_probs", "test") for one in (of_known, found)]
        torch.testing.assert_close(old[0], old[1], rtol=0, atol=1e-5)
        assert found.metrics.keys() == of_known.metrics.keys()
        for name, value in of_known.metrics.items():
            assert found.metrics[name] == pytest.approx(value, abs=1e-4), name
    if credit == "spro":
        assert of_known.credit.terms["msa"].abs().max() > 1e-3


def assert_credit_same(left: Credit, right: Credit) -> None:
    assert left.advantages.abs().max() > 0.1
    torch.testing.assert_close(left.advantages, right.advantages, rtol=0, atol=1e-5)
    assert left.terms.keys() == right.terms.keys()
    for name, term in left.terms.items():
        torch.testing.assert_close(term, right.terms[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("credit", ["spro", "grpo", "prime", "ppo"])
def test_tokens_of_a_tool_are_taught_nothing(credit: str) -> None:
    _, found = learned(learner(tiny_model("qwen2"), credit))
    mask = found.experience.batch.response_mask
    lengths = torch.tensor([length for group in LENGTHS for length in group])
    inside = torch.arange(mask.shape[1]) < lengths[:, None]
    holes = inside & ~mask
    assert holes.any()
    assert not found.credit.advantages[~mask].any()
    assert not found.experience.batch.require("old_log_probs", "test")[~mask].any()


def test_groups_stay_whole_in_lessons_that_need_them() -> None:
    asked: list[list[int]] = []

    class Listening(GroupLessons):
        def give(self, rows: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
            asked.append(sorted(rows.tolist()))
            return super().give(rows, log_probs)

    one = learner(tiny_model("qwen2"), "spro", Listening, tokens=30)
    starts = learned(one)[1].experience.group_starts
    rows = [list(range(a, b)) for a, b in pairwise(starts)]
    assert len(asked) > 2
    assert sorted(row for part in asked for row in part) == list(range(15))
    assert all(not set(group) & set(part) or set(group) <= set(part) for group in rows for part in asked)


# Cost


def rows_scored(one: Learner) -> dict[str, int]:
    """Responses that went through each model in one step, with gradient (trained) and without (scored)."""
    counts = {"policy trained": 0, "policy scored": 0, "reference": 0}
    references = [source for source in one.sources if isinstance(source, RefLogProbs)]
    linear_head(one.policy.model)

    def count_policy(module: object, inputs: object, output: Any) -> None:
        kind = "policy trained" if output.last_hidden_state.requires_grad else "policy scored"
        counts[kind] += len(output.last_hidden_state)

    def count_reference(module: object, inputs: object, output: Any) -> None:
        counts["reference"] += len(output.last_hidden_state)

    one.policy.model.base_model.register_forward_hook(count_policy)
    for source in references:
        with source.reference.ready() as model:
            linear_head(model)
            model.base_model.register_forward_hook(count_reference)
    one.learn(HOLED, Stopwatch())
    return counts


ROWS = sum(map(len, LENGTHS))
ON_POLICY = [
    ("grpo", 0, 0), ("rloo", 0, 0), ("spro", 0, 1), ("spro_suffix", 0, 1), ("spro_whitened", 1, 1),
    ("reinforce_plus_plus", 1, 1),
]  # fmt: skip


@pytest.mark.parametrize(("credit", "scored", "reference"), ON_POLICY)
def test_an_on_policy_step_costs_one_pass_and_what_the_method_reads(credit: str, scored: int, reference: int) -> None:
    """SPRO: one pass of the reference more than GRPO, and nothing else."""
    one = learner(tiny_model("qwen2"), credit)
    assert rows_scored(one) == {
        "policy trained": ROWS,
        "policy scored": scored * ROWS,
        "reference": reference * ROWS,
    }


@pytest.mark.parametrize("credit", ["grpo", "rloo", "spro"])
@pytest.mark.parametrize(("settings", "passes"), [({"update_epochs": 2}, 2), ({"mini_batches": 2}, 1)])
def test_off_policy_the_policy_is_scored_once_beside(credit: str, settings: dict[str, int], passes: int) -> None:
    one = learner(tiny_model("qwen2"), credit, **settings)
    assert rows_scored(one) == {
        "policy trained": passes * ROWS,
        "policy scored": ROWS,
        "reference": ROWS if credit == "spro" else 0,
    }


def test_a_group_that_may_not_fit_is_scored_beforehand() -> None:
    """A group of 4 responses, 10 tokens each with their prompts, might need 40."""
    assert rows_scored(learner(tiny_model("qwen2"), "spro", tokens=40))["policy scored"] == 0
    assert rows_scored(learner(tiny_model("qwen2"), "spro", tokens=39))["policy scored"] == ROWS


def test_the_kl_penalty_costs_a_pass_of_the_reference() -> None:
    loss = LossConfig(kl_loss_coef=0.1)
    one = make_learner(tiny_model("qwen2"), make_config(credit=CreditConfig(type="grpo"), loss=loss))
    assert rows_scored(one) == {"policy trained": ROWS, "policy scored": 0, "reference": ROWS}


# Reviews


@pytest.mark.parametrize("teacher", [KnownLessons, OnPolicyLessons, GroupLessons])
def test_a_review_has_the_old_log_probs_of_before_the_update(teacher: Teacher) -> None:
    one = learner(tiny_model("qwen2"), "grpo", teacher, tokens=40)
    before = copy.deepcopy(one.policy.model)
    experience = learned(one)[1].experience
    expected = one_scored(before, one, experience)
    after = one_scored(one.policy.model, one, experience)
    found = experience.batch.require("old_log_probs", "test")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (after - expected).abs().max() > 1e-3


def one_scored(model: PreTrainedModel, one: Learner, experience: Experience) -> Tensor:
    return Scoring(one.config.rollout.temperature, WHOLE).log_probs(model, experience)


def test_advantages_are_made_from_the_log_probs_of_their_micro_batch() -> None:
    """A lesson asks its method for whole groups only, each once."""
    seen: list[list[int]] = []

    def noting(method: Method) -> Method:
        kind = type(method)

        class Noting(kind):  # type: ignore[misc, valid-type]
            def assign(self, batch: Any) -> Credit:
                seen.append(batch.group_ids.tolist())
                return kind.assign(self, batch)

        return Noting()

    one = learner(tiny_model("qwen2"), "spro", GroupLessons, tokens=1)
    one = replace(one, method=noting(one.method))
    learned(one)
    assert sorted(seen) == [[0] * 4, [1] * 3, [2] * 4, [3] * 2, [4] * 2]
