"""The update: micro-batches, mini-batches, what a step changes, and what it must not."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import Config, LossConfig
from spro.credit import GRPO, SPRO, Credit
from spro.loss import REDUCTIONS, SURROGATES, NoCorrection, RolloutCorrection, TruncatedImportance
from spro.train.companions import policy_optimizer
from spro.train.experience import Experience
from spro.train.group import Group
from spro.train.interrupt import Interrupted, StopRequest
from spro.train.lessons import KnownLessons
from spro.train.passes import mini_batches
from spro.train.setup import build_surrogate
from spro.train.update import Updater
from tests.models import tiny_model
from tests.unit.train.builders import make_config, make_group, make_scorer, move, with_tool_tokens

GROUPS = [make_group(i, [1.0, 0.0, float(i % 2), 0.5]) for i in range(5)]


def score(model: PreTrainedModel, groups: list[Group] = GROUPS, needs: frozenset[str] = SPRO.needs) -> Experience:
    return make_scorer(model, needs).score(groups)


def make_updater(model: PreTrainedModel, config: Config, correction: RolloutCorrection | None = None) -> Updater:
    stop = StopRequest()
    optimizer = policy_optimizer(config, model, frozenset(), stop)
    surrogate = build_surrogate(config.loss)
    return Updater(model, surrogate, correction or NoCorrection(), config, optimizer, nullcontext, stop.check)


def updater(model: PreTrainedModel, loss: LossConfig | None = None, **train: int) -> Updater:
    return make_updater(model, make_config(train, **({"loss": loss} if loss else {})))


def known(experience: Experience, advantages: Tensor) -> KnownLessons:
    """Of any advantages."""
    lessons = KnownLessons(GRPO(), experience)
    lessons.credit = Credit(advantages, {})
    return lessons


def grpo(experience: Experience) -> KnownLessons:
    return KnownLessons(GRPO(), experience)


def gradients(model: PreTrainedModel, micro_batch_tokens: int, reduction: str) -> list[Tensor]:
    """The gradient of one update, caught where the optimizer would read it."""
    model = copy.deepcopy(model)
    experience = score(model)
    one = updater(model, LossConfig(entropy_coef=0.01, loss_reduction=reduction), micro_batch_tokens=micro_batch_tokens)  # type: ignore[arg-type]
    caught: list[Tensor] = []
    one.optimizer.adamw.register_step_pre_hook(
        lambda optimizer, args, kwargs: caught.extend(p.grad.clone() for p in model.parameters())
    )
    one.update(experience, grpo(experience))
    return caught


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("micro_batch_tokens", [1, 18, 42])
def test_the_gradient_is_the_same_for_every_micro_batch_size(reduction: str, micro_batch_tokens: int) -> None:
    """Of 20 responses of 3 to 6 tokens, prompts included: one, some three and some seven at a time."""
    model = tiny_model("qwen2")
    whole = gradients(model, 1000, reduction)
    split = gradients(model, micro_batch_tokens, reduction)
    largest = max(float(g.abs().max()) for g in whole)
    assert largest > 1e-4
    for a, b in zip(whole, split, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6 * max(1.0, largest))


def slow_objective(
    model: PreTrainedModel, groups: list[Group], old: Tensor, advantages: Tensor, config: Config
) -> Tensor:
    """Eq. 14 with the entropy bonus, one response and one token at a time; a tool's tokens are read and not counted."""
    loss, temperature = config.loss, config.rollout.temperature
    responses = [(g.prompt.token_ids, r.token_ids) for g in groups for r in g.responses]
    masks = [r.response_mask or (True,) * len(r.token_ids) for g in groups for r in g.responses]
    tokens = sum(map(sum, masks))
    total = torch.zeros(())
    for row, (prompt, response) in enumerate(responses):
        logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1] / temperature
        for t, token in enumerate(response):
            if not masks[row][t]:
                continue
            distribution = torch.distributions.Categorical(logits=logits[t])
            ratio = (distribution.log_prob(torch.tensor(token)) - old[row, t]).exp()
            clipped = ratio.clamp(1 - loss.clip_ratio_low, 1 + loss.clip_ratio_high)
            surrogate = torch.minimum(ratio * advantages[row, t], clipped * advantages[row, t])
            weight = {
                "token-mean": 1 / tokens,
                "token-sum": 1.0,
                "seq-mean-token-sum": 1 / len(responses),
                "seq-mean-token-mean": 1 / len(responses) / sum(masks[row]),
                "seq-mean-token-sum-norm": 1 / len(responses) / config.rollout.max_response_length,
            }[loss.loss_reduction]
            total = total + weight * surrogate + loss.entropy_coef * distribution.entropy() / tokens
    return total


@pytest.mark.parametrize("change", [lambda group: group, with_tool_tokens], ids=["plain", "tool"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_every_setting_reaches_the_gradient(reduction: str, change: Callable[[Group], Group]) -> None:
    """A moved policy, so that clips bite; two mini-batches, of which the first is looked at."""
    model = tiny_model("qwen2")
    loss = LossConfig(entropy_coef=0.02, clip_ratio_low=0.02, clip_ratio_high=0.05, loss_reduction=reduction)  # type: ignore[arg-type]
    rollout = {"max_response_length": 8, "temperature": 0.7}
    config = make_config({"mini_batches": 2, "micro_batch_tokens": 18}, loss=loss, rollout=rollout)
    groups = [change(group) for group in GROUPS[:4]]
    experience = make_scorer(model, SPRO.needs, temperature=0.7).score(groups)
    advantages = GRPO()(experience.batch)
    move(model)
    old = experience.batch.old_log_probs
    assert old is not None
    rows = experience.group_starts[2]
    expected = torch.autograd.grad(
        -slow_objective(model, groups[:2], old[:rows], advantages[:rows], config), list(model.parameters())
    )
    caught: list[list[Tensor]] = []
    one = make_updater(model, config)
    one.optimizer.adamw.register_step_pre_hook(
        lambda optimizer, args, kwargs: caught.append([p.grad.clone() for p in model.parameters()])
    )
    stats = one.update(experience, known(experience, advantages))
    assert len(caught) == 2
    assert 0 < stats.clip_fraction < 1
    assert max(g.abs().max() for g in expected) > 1e-3
    for actual, wanted in zip(caught[0], expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate_ignores_the_micro_batch_size(surrogate: str) -> None:
    """The second optimizer step, where the policy has left the one that sampled."""
    caught = []
    for micro_batch_tokens in (1000, 18):
        model = tiny_model("qwen2")
        experience = score(model)
        one = updater(model, LossConfig(type=surrogate), update_epochs=2, micro_batch_tokens=micro_batch_tokens)
        one.update(experience, grpo(experience))
        caught.append([p.detach().clone() for p in model.parameters()])
    start = list(tiny_model("qwen2").parameters())
    assert max((a - b).abs().max() for a, b in zip(caught[0], start, strict=True)) > 1e-3
    for a, b in zip(*caught, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_the_kl_penalty_is_in_the_loss_and_pulls_to_the_reference() -> None:
    model = tiny_model("qwen2")
    scorer = make_scorer(model, SPRO.needs)
    with torch.no_grad():
        model.lm_head.weight.mul_(5.0)  # far, beside the size of an optimizer step
    experience = scorer.score(GROUPS)
    batch = experience.batch
    assert batch.old_log_probs is not None
    assert batch.ref_log_probs is not None
    nothing = torch.zeros_like(batch.old_log_probs)
    d = (batch.old_log_probs - batch.ref_log_probs)[batch.response_mask]
    loss = LossConfig(entropy_coef=0.0, kl_loss_coef=0.5, kl_estimator="k2", loss_reduction="token-mean")
    stats = updater(model, loss).update(experience, known(experience, nothing))
    torch.testing.assert_close(stats.loss, 0.5 * (d**2 / 2).mean())
    again = scorer.score(GROUPS).batch
    assert again.old_log_probs is not None
    assert again.ref_log_probs is not None
    assert ((again.old_log_probs - again.ref_log_probs)[batch.response_mask] ** 2).mean() < (d**2).mean()


def test_the_kl_penalty_is_reduced_as_the_surrogate_is() -> None:
    """Responses of 1 to 4 tokens, so that the mean over responses is not that over tokens."""
    model = tiny_model("qwen2")
    scorer = make_scorer(model, SPRO.needs)
    with torch.no_grad():
        model.lm_head.weight.mul_(5.0)
    batch = (experience := scorer.score(GROUPS)).batch
    old, ref = batch.require("old_log_probs", "test"), batch.require("ref_log_probs", "test")
    rows = zip((old - ref).unbind(), batch.response_mask.unbind(), strict=True)
    each = torch.stack([(d[mask] ** 2 / 2).mean() for d, mask in rows])
    assert abs(each.mean() - ((old - ref)[batch.response_mask] ** 2 / 2).mean()) > 1e-3, "or this test shows nothing"
    loss = LossConfig(entropy_coef=0.0, kl_loss_coef=0.5, kl_estimator="k2", loss_reduction="seq-mean-token-mean")
    stats = updater(model, loss).update(experience, known(experience, torch.zeros_like(old)))
    torch.testing.assert_close(stats.loss, 0.5 * each.mean())


def test_good_tokens_become_more_likely_and_bad_ones_less() -> None:
    model = tiny_model("llama")
    experience = score(model)
    advantages = GRPO()(experience.batch)
    before = experience.batch.old_log_probs
    updater(model, LossConfig(entropy_coef=0.0)).update(experience, known(experience, advantages))
    after = score(model).batch.old_log_probs
    assert before is not None
    assert after is not None
    assert ((after - before) * advantages).sum() > 0


def test_the_first_step_of_spro_is_that_of_grpo() -> None:
    experience = score(tiny_model("qwen2"))
    assert torch.equal(SPRO()(experience.batch), GRPO()(experience.batch))


def test_the_reference_stays_where_the_policy_began() -> None:
    model = tiny_model("qwen2")
    scorer = make_scorer(model, SPRO.needs)
    first = scorer.score(GROUPS)
    updater(model).update(first, grpo(first))
    second = scorer.score(GROUPS)
    assert first.batch.ref_log_probs is not None
    assert torch.equal(first.batch.ref_log_probs, second.batch.ref_log_probs)
    assert not torch.equal(second.batch.old_log_probs, second.batch.ref_log_probs)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_advantages_that_are_not_finite_leave_the_weights_alone(bad: float) -> None:
    model = tiny_model("qwen2")
    experience = score(model)
    before = copy.deepcopy(model.state_dict())
    one = updater(model)
    stats = one.update(experience, known(experience, GRPO()(experience.batch) * bad))
    assert stats.skipped_updates == 1
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert not one.optimizer.adamw.state
    stats = one.update(experience, grpo(experience))
    assert stats.skipped_updates == 0
    assert all(weight.isfinite().all() for weight in model.parameters()), "nothing of the bad gradient is left"
    assert not torch.equal(before["lm_head.weight"], model.state_dict()["lm_head.weight"])


def test_one_bad_mini_batch_of_two_is_half_of_the_updates() -> None:
    model = tiny_model("qwen2")
    experience = score(model, GROUPS[:4])
    advantages = GRPO()(experience.batch)
    advantages[0, 0] = float("nan")
    assert updater(model, mini_batches=2).update(experience, known(experience, advantages)).skipped_updates == 0.5


def test_a_stop_in_the_middle_of_an_update_leaves_nothing_of_it() -> None:
    model = tiny_model("qwen2")
    experience = score(model)
    before = copy.deepcopy(model.state_dict())
    one = updater(model, micro_batch_tokens=42)
    asked: list[bool] = []

    def stop_at_the_third() -> None:
        asked.append(any(weight.grad is not None for weight in model.parameters()))
        if len(asked) == 3:
            raise Interrupted

    one.check = stop_at_the_third
    with pytest.raises(Interrupted):
        one.update(experience, grpo(experience))
    assert asked == [False, True, True]
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))


@pytest.mark.parametrize("cap", [1.2, 2.0])
def test_a_token_of_another_engine_weighs_its_truncated_importance(cap: float) -> None:
    """At ratio 1, where the gradient is proportional to the weight."""
    caught = []
    for correction in (NoCorrection(), TruncatedImportance(cap)):
        model = tiny_model("qwen2")
        experience = score(model)
        rollout_log_probs = experience.batch.require("old_log_probs", "test") - torch.tensor(1.5).log()
        experience = replace(experience, rollout_log_probs=rollout_log_probs)
        one = make_updater(model, make_config(loss=LossConfig(entropy_coef=0.0)), correction)
        one.optimizer.adamw.register_step_pre_hook(
            lambda optimizer, args, kwargs: caught.append([p.grad.clone() for p in model.parameters()])  # noqa: B023
        )
        stats = one.update(experience, grpo(experience))
    assert stats.rollout_is_weight == pytest.approx(min(1.5, cap))
    plain, weighted = caught
    assert max(gradient.abs().max() for gradient in plain) > 1e-3
    for a, b in zip(plain, weighted, strict=True):
        torch.testing.assert_close(b, min(1.5, cap) * a, rtol=1e-4, atol=1e-7)


def test_without_correction_a_token_weighs_1() -> None:
    model = tiny_model("qwen2")
    experience = score(model)
    assert not torch.equal(experience.rollout_log_probs, experience.batch.require("old_log_probs", "test"))
    assert updater(model).update(experience, grpo(experience)).rollout_is_weight == pytest.approx(1.0)


def test_epochs_and_mini_batches_are_optimizer_steps_and_the_rate_decays_to_zero() -> None:
    model = tiny_model("qwen2")
    one = updater(model, update_epochs=3, mini_batches=2, steps=1)
    taken = []
    one.optimizer.adamw.register_step_post_hook(
        lambda optimizer, args, kwargs: taken.append(optimizer.param_groups[0]["lr"])
    )
    experience = score(model)
    one.update(experience, grpo(experience))
    assert len(taken) == 6
    assert len(set(taken)) == 6
    assert taken == sorted(taken, reverse=True)
    assert one.optimizer.learning_rate == pytest.approx(0.0, abs=1e-12)


@given(st.integers(1, 9), st.integers(1, 9))
def test_mini_batches_are_runs_of_groups_of_nearly_equal_number(groups: int, count: int) -> None:
    cuts = list(mini_batches(groups, count))
    assert [group for first, last in cuts for group in range(first, last)] == list(range(groups))
    assert len(cuts) == min(count, groups)
    sizes = {last - first for first, last in cuts}
    assert max(sizes) - min(sizes) <= 1


def test_mini_batches_cut_between_groups_only() -> None:
    model = tiny_model("qwen2")
    sizes = [1, 3, 2, 4]
    groups = [make_group(i, [float(k % 2) for k in range(size)]) for i, size in enumerate(sizes)]
    experience = score(model, groups)
    assert experience.group_starts == (0, 1, 4, 6, 10)
    asked: list[list[int]] = []

    class Listening(KnownLessons):
        def give(self, rows: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
            asked.append(sorted(rows.tolist()))
            return super().give(rows, log_probs)

    updater(model, mini_batches=3).update(experience, Listening(GRPO(), experience))
    assert asked == [[0], [1, 2, 3], [4, 5, 6, 7, 8, 9]]
