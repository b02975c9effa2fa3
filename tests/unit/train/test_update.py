"""The update: micro-batches, mini-batches, what a step changes, and what it must not."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import ChainTask, Config, LossConfig, ModelConfig, OptimizerConfig, RolloutConfig, TrainConfig
from spro.credit import GRPO, SPRO
from spro.errors import ConfigError, TrainingError
from spro.loss import REDUCTIONS, SURROGATES
from spro.train.experience import Experience
from spro.train.group import Group
from spro.train.setup import build_surrogate
from spro.train.update import Updater, cosine_factor, mini_batches
from tests.models import tiny_model
from tests.unit.train.builders import make_group, make_scorer

GROUPS = [make_group(i, [1.0, 0.0, float(i % 2), 0.5]) for i in range(5)]


def score(model: PreTrainedModel, groups: list[Group] = GROUPS, needs: frozenset[str] = SPRO.needs) -> Experience:
    return make_scorer(model, needs).score(groups, pad_token_id=0)


def make_config(loss: LossConfig | None = None, temperature: float = 1.0, **train: int) -> Config:
    return Config(
        model=ModelConfig(path="in memory"),
        task=ChainTask(type="chain"),
        rollout=RolloutConfig(max_response_length=8, temperature=temperature),
        loss=loss or LossConfig(entropy_coef=0.01),
        optimizer=OptimizerConfig(learning_rate=1e-3, max_grad_norm=1e9),
        train=TrainConfig(**({"steps": 2, "prompts_per_step": 5} | train)),
    )


def updater(model: PreTrainedModel, loss: LossConfig | None = None, **train: int) -> Updater:
    config = make_config(loss, **train)
    return Updater(model, build_surrogate(config.loss), config)


def gradients(model: PreTrainedModel, micro_batch_size: int, reduction: str) -> list[Tensor]:
    """The gradient of one update, caught where the optimizer would read it."""
    model = copy.deepcopy(model)
    experience = score(model)
    one = updater(model, LossConfig(entropy_coef=0.01, loss_reduction=reduction), micro_batch_size=micro_batch_size)  # type: ignore[arg-type]
    caught: list[Tensor] = []
    one.optimizer.register_step_pre_hook(
        lambda optimizer, args, kwargs: caught.extend(p.grad.clone() for p in model.parameters())
    )
    one.update(experience, GRPO()(experience.batch))
    return caught


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("micro_batch_size", [1, 3, 7])
def test_the_gradient_is_the_same_for_every_micro_batch_size(reduction: str, micro_batch_size: int) -> None:
    model = tiny_model("qwen2")
    whole = gradients(model, 100, reduction)
    split = gradients(model, micro_batch_size, reduction)
    largest = max(float(g.abs().max()) for g in whole)
    assert largest > 1e-4
    for a, b in zip(whole, split, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6 * max(1.0, largest))


def slow_objective(
    model: PreTrainedModel, groups: list[Group], old: Tensor, advantages: Tensor, config: Config
) -> Tensor:
    """Eq. 14 with the entropy bonus, one response and one token at a time."""
    loss, temperature = config.loss, config.rollout.temperature
    responses = [(g.prompt.token_ids, r.token_ids) for g in groups for r in g.responses]
    tokens = sum(len(response) for _, response in responses)
    total = torch.zeros(())
    for row, (prompt, response) in enumerate(responses):
        logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1] / temperature
        for t, token in enumerate(response):
            distribution = torch.distributions.Categorical(logits=logits[t])
            ratio = (distribution.log_prob(torch.tensor(token)) - old[row, t]).exp()
            clipped = ratio.clamp(1 - loss.clip_ratio_low, 1 + loss.clip_ratio_high)
            surrogate = torch.minimum(ratio * advantages[row, t], clipped * advantages[row, t])
            weight = {
                "token-mean": 1 / tokens,
                "token-sum": 1.0,
                "seq-mean-token-sum": 1 / len(responses),
                "seq-mean-token-mean": 1 / len(responses) / len(response),
                "seq-mean-token-sum-norm": 1 / len(responses) / config.rollout.max_response_length,
            }[loss.loss_reduction]
            total = total + weight * surrogate + loss.entropy_coef * distribution.entropy() / tokens
    return total


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_every_setting_reaches_the_gradient(reduction: str) -> None:
    """A moved policy, so that clips bite; two mini-batches, of which the first is looked at."""
    model = tiny_model("qwen2")
    loss = LossConfig(entropy_coef=0.02, clip_ratio_low=0.02, clip_ratio_high=0.05, loss_reduction=reduction)  # type: ignore[arg-type]
    config = make_config(loss, temperature=0.7, mini_batches=2, micro_batch_size=3)
    groups = GROUPS[:4]
    experience = make_scorer(model, SPRO.needs, temperature=0.7).score(groups, pad_token_id=0)
    advantages = GRPO()(experience.batch)
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            generator = torch.Generator().manual_seed(index)
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    old = experience.batch.old_log_probs
    assert old is not None
    rows = experience.group_starts[2]
    expected = torch.autograd.grad(
        -slow_objective(model, groups[:2], old[:rows], advantages[:rows], config), list(model.parameters())
    )
    caught: list[list[Tensor]] = []
    one = Updater(model, build_surrogate(config.loss), config)
    one.optimizer.register_step_pre_hook(
        lambda optimizer, args, kwargs: caught.append([p.grad.clone() for p in model.parameters()])
    )
    stats = one.update(experience, advantages)
    assert len(caught) == 2
    assert 0 < stats.clip_fraction < 1
    assert max(g.abs().max() for g in expected) > 1e-3
    for actual, wanted in zip(caught[0], expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("step", "warmup", "steps", "factor"),
    [(0, 0, 4, 1.0), (2, 0, 4, 0.5), (4, 0, 4, 0.0), (0, 2, 4, 0.5), (1, 2, 4, 1.0), (3, 2, 4, 0.5)],
)
def test_the_learning_rate(step: int, warmup: int, steps: int, factor: float) -> None:
    assert cosine_factor(step, warmup, steps) == pytest.approx(factor)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate_ignores_the_micro_batch_size(surrogate: str) -> None:
    """The second optimizer step, where the policy has left the one that sampled."""
    caught = []
    for micro_batch_size in (100, 3):
        model = tiny_model("qwen2")
        experience = score(model)
        one = updater(model, LossConfig(type=surrogate), update_epochs=2, micro_batch_size=micro_batch_size)
        one.update(experience, GRPO()(experience.batch))
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
    experience = scorer.score(GROUPS, 0)
    batch = experience.batch
    assert batch.old_log_probs is not None
    assert batch.ref_log_probs is not None
    nothing = torch.zeros_like(batch.old_log_probs)
    d = (batch.old_log_probs - batch.ref_log_probs)[batch.response_mask]
    loss = LossConfig(entropy_coef=0.0, kl_loss_coef=0.5, kl_estimator="k2", loss_reduction="token-mean")
    stats = updater(model, loss).update(experience, nothing)
    torch.testing.assert_close(stats.loss, 0.5 * (d**2 / 2).mean())
    again = scorer.score(GROUPS, 0).batch
    assert again.old_log_probs is not None
    assert again.ref_log_probs is not None
    assert ((again.old_log_probs - again.ref_log_probs)[batch.response_mask] ** 2).mean() < (d**2).mean()


def test_the_kl_penalty_is_reduced_as_the_surrogate_is() -> None:
    """Responses of 1 to 4 tokens, so that the mean over responses is not that over tokens."""
    model = tiny_model("qwen2")
    scorer = make_scorer(model, SPRO.needs)
    with torch.no_grad():
        model.lm_head.weight.mul_(5.0)
    batch = (experience := scorer.score(GROUPS, 0)).batch
    old, ref = batch.require("old_log_probs", "test"), batch.require("ref_log_probs", "test")
    rows = zip((old - ref).unbind(), batch.response_mask.unbind(), strict=True)
    each = torch.stack([(d[mask] ** 2 / 2).mean() for d, mask in rows])
    assert abs(each.mean() - ((old - ref)[batch.response_mask] ** 2 / 2).mean()) > 1e-3, "or this test shows nothing"
    loss = LossConfig(entropy_coef=0.0, kl_loss_coef=0.5, kl_estimator="k2", loss_reduction="seq-mean-token-mean")
    stats = updater(model, loss).update(experience, torch.zeros_like(old))
    torch.testing.assert_close(stats.loss, 0.5 * each.mean())


def test_good_tokens_become_more_likely_and_bad_ones_less() -> None:
    model = tiny_model("llama")
    experience = score(model)
    advantages = GRPO()(experience.batch)
    before = experience.batch.old_log_probs
    updater(model, LossConfig(entropy_coef=0.0)).update(experience, advantages)
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
    first = scorer.score(GROUPS, 0)
    updater(model).update(first, GRPO()(first.batch))
    second = scorer.score(GROUPS, 0)
    assert first.batch.ref_log_probs is not None
    assert torch.equal(first.batch.ref_log_probs, second.batch.ref_log_probs)
    assert not torch.equal(second.batch.old_log_probs, second.batch.ref_log_probs)


def test_a_reference_is_held_only_when_the_method_needs_it() -> None:
    model = tiny_model("qwen2")
    assert set(make_scorer(model, GRPO.needs).models) == {"old_log_probs"}
    assert score(model, needs=GRPO.needs).batch.ref_log_probs is None
    assert make_scorer(model, SPRO.needs).models["ref_log_probs"] is not model


def test_a_need_that_nothing_makes() -> None:
    with pytest.raises(ConfigError, match="needs values, which this trainer cannot make yet"):
        make_scorer(tiny_model("qwen2"), frozenset({"values"}))


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone() -> None:
    model = tiny_model("qwen2")
    experience = score(model)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(TrainingError, match="gradient is not finite"):
        updater(model).update(experience, GRPO()(experience.batch) * float("inf"))
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))


def test_epochs_and_mini_batches_are_optimizer_steps_and_the_rate_decays_to_zero() -> None:
    model = tiny_model("qwen2")
    one = updater(model, update_epochs=3, mini_batches=2, steps=1)
    taken = []
    one.optimizer.register_step_post_hook(lambda optimizer, args, kwargs: taken.append(one.learning_rate))
    experience = score(model)
    one.update(experience, GRPO()(experience.batch))
    assert len(taken) == 6
    assert taken == sorted(taken, reverse=True)
    assert one.learning_rate == pytest.approx(0.0, abs=1e-12)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=9), st.integers(1, 9))
def test_mini_batches_cut_between_groups_only(sizes: list[int], count: int) -> None:
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    cuts = list(mini_batches(tuple(starts), count))
    assert [row for start, stop in cuts for row in range(start, stop)] == list(range(starts[-1]))
    assert {start for start, _ in cuts} <= set(starts)
    assert len(cuts) == min(count, len(sizes))
