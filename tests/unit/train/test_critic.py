"""PPO's critic: what it learns, what it never moves, and what it says of itself."""

import copy
import random
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from spro.config import Config, CreditConfig, CriticConfig, ModelConfig
from spro.credit import PPO
from spro.loss import token_mean, value_loss, weighted_sum
from spro.train.critic import Critic
from spro.train.experience import Experience, gather_experience
from spro.train.interrupt import Interrupted, StopRequest
from spro.train.learn import Learner
from spro.train.stopwatch import Stopwatch
from tests.models import tiny_model
from tests.unit.train.builders import make_config, make_group, make_learner, make_scorer, with_tool_tokens

SCORES: list[list[float | None]] = [[1.0, 0.0, 0.25, 0.5], [0.75, 0.0], [0.0, 1.0, 1.0], [0.25, 0.9], [1.0, 0.0]]
LENGTHS = [[7, 3, 5, 4], [2, 8], [4, 6, 1], [5, 3], [2, 6]]
GROUPS = [with_tool_tokens(make_group(i, SCORES[i], LENGTHS[i])) for i in range(5)]


def settings(critic: dict[str, object] | None = None, **train: int) -> Config:
    section = CriticConfig.model_validate({"learning_rate": 1e-2, "max_grad_norm": 1e9} | (critic or {}))
    checkpoint = bool(train.pop("gradient_checkpointing", 0))
    model = ModelConfig(path="in memory", gradient_checkpointing=checkpoint)
    return make_config(train, credit=CreditConfig(type="ppo"), critic=section, model=model)


def ppo(model: PreTrainedModel, critic: dict[str, object] | None = None, **train: int) -> tuple[Learner, Critic]:
    one = make_learner(model, settings(critic, **train))
    source = one.sources[-1]
    assert isinstance(source, Critic)
    return one, source


def taught(critic: Critic, experience: Experience, steps: int) -> list[float]:
    """Loss before each of its steps."""
    losses = []
    for _ in range(steps):
        valued = experience.with_tensor("values", critic.score(experience)[0])
        losses.append(float(critic.learn(valued)["critic/loss"]))
    return losses


def copied(module: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in module.parameters()]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def steps_taken(critic: Critic) -> int:
    return critic.optimizer.taken


# What it says


def test_before_it_has_learnt_the_advantages_are_the_whitened_returns() -> None:
    one, critic = ppo(tiny_model("qwen2"))
    found = one.learn(GROUPS, Stopwatch())
    batch = found.experience.batch
    assert not batch.require("values", "test").any()
    mask = batch.response_mask
    outcomes = batch.outcome_rewards[:, None].expand(batch.shape)[mask]
    torch.testing.assert_close(found.credit.advantages[mask], (outcomes - outcomes.mean()) / outcomes.std())
    assert critic.score(found.experience)[0].any(), "and behind the step it has"


def test_its_head_is_in_float32_whatever_the_policy_is() -> None:
    model = tiny_model("qwen2").bfloat16()
    one, critic = ppo(model)
    found = one.learn(GROUPS, Stopwatch())
    assert critic.head.weight.dtype == torch.float32
    values, _ = critic.score(found.experience)
    assert values.dtype == torch.float32
    assert values.any()


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_values_are_of_the_states_before_the_tokens(trunk: str) -> None:
    """One response at a time, by the head on the last hidden states; 0 at a tool's tokens and behind the end."""
    _, critic = ppo(tiny_model("qwen2"), {"trunk": trunk}, micro_batch_tokens=30)
    nn.init.normal_(critic.head.weight)
    nn.init.constant_(critic.head.bias, 0.5)
    model = tiny_model("qwen2")
    experience = make_scorer(model, frozenset()).score(GROUPS)
    values, _ = critic.score(experience)
    expected = torch.zeros_like(values)
    row = 0
    for group in GROUPS:
        for response in group.responses:
            prompt = group.prompt.token_ids
            states = model.model(torch.tensor([prompt + response.token_ids])).last_hidden_state[0]
            for t in range(len(response.token_ids)):
                if response.response_mask is None or response.response_mask[t]:
                    expected[row, t] = critic.head(states[len(prompt) - 1 + t]).detach()
            row += 1
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-5)
    assert not values[~experience.batch.response_mask].any()


# What it learns


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_it_learns_a_constant_return(trunk: str) -> None:
    model = tiny_model("qwen2")
    _, critic = ppo(model, {"trunk": trunk})
    critic.returns = lambda batch: torch.full(batch.shape, 0.7).masked_fill(~batch.response_mask, 0.0)
    experience = make_scorer(model, frozenset()).score(GROUPS)
    taught(critic, experience, 40)
    mask = experience.batch.response_mask
    values, _ = critic.score(experience)
    assert (values[mask] - 0.7).abs().mean() < 0.05


def random_tokens(seed: int) -> Experience:
    drawn = random.Random(seed)
    groups = []
    for index in range(4):
        group = make_group(index, [1.0, 0.0, 1.0, 0.0], [6, 5, 6, 4])
        responses = tuple(
            replace(response, token_ids=tuple(drawn.choice((10, 20)) for _ in response.token_ids))
            for response in group.responses
        )
        groups.append(replace(group, responses=responses))
    return gather_experience(groups, frozenset({"token_ids"}), 0, torch.device("cpu"))


def test_it_learns_returns_that_differ_from_token_to_token() -> None:
    """1 behind the token 10, -1 behind 20, 0 at the first one; fresh responses at each step."""
    _, critic = ppo(tiny_model("qwen2"), {"learning_rate": 5e-3})

    def returns(batch: object) -> Tensor:
        before = torch.nn.functional.pad(batch.token_ids[:, :-1], (1, 0))  # type: ignore[attr-defined]
        return (before == 10).float() - (before == 20).float()

    critic.returns = returns
    losses, explained = [], []
    for seed in range(30):
        experience = random_tokens(seed)
        valued = experience.with_tensor("values", critic.score(experience)[0])
        stats = critic.learn(valued)
        losses.append(float(stats["critic/loss"]))
        explained.append(float(stats["critic/explained_variance"]))
    assert losses[0] > 0.3
    assert losses[-1] < 0.05
    assert explained[0] == pytest.approx(0.0, abs=1e-5), "of a critic that says 0"
    assert explained[-1] > 0.9


def test_it_learns_the_returns_of_the_method() -> None:
    one, critic = ppo(tiny_model("qwen2"))
    found = one.learn(GROUPS, Stopwatch())
    torch.testing.assert_close(
        critic.returns(found.experience.batch), PPO().returns(found.experience.batch), rtol=0, atol=0
    )


# What it moves


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_no_weight_of_the_policy_is_moved(trunk: str) -> None:
    model = tiny_model("qwen2")
    before = copied(model)
    one, critic = ppo(model, {"trunk": trunk})
    taught(critic, make_scorer(model, frozenset()).score(GROUPS), 3)
    assert same(copied(model), before)
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert critic.head.weight.any()
    own = {name for name in critic.optimizer.weights if name.startswith("trunk.")}
    assert bool(own) == (trunk == "own")
    assert {"head.weight", "head.bias"} == critic.optimizer.weights.keys() - own
    assert one.policy.model is model


def test_an_own_trunk_learns_and_a_shared_one_follows_the_policy() -> None:
    _, own = ppo(tiny_model("qwen2"))
    experience = make_scorer(tiny_model("qwen2"), frozenset()).score(GROUPS)
    start = {name: weight.detach().clone() for name, weight in own.optimizer.weights.items()}
    taught(own, experience, 3)
    moved = {name for name, weight in own.optimizer.weights.items() if not torch.equal(weight, start[name])}
    assert "trunk.model.layers.0.self_attn.q_proj.weight" in moved
    policy = tiny_model("qwen2")
    _, shared = ppo(policy, {"trunk": "shared"})
    nn.init.normal_(shared.head.weight)
    before, _ = shared.score(experience)
    with torch.no_grad():
        policy.model.layers[0].mlp.up_proj.weight.mul_(3.0)
    assert (shared.score(experience)[0] - before).abs().max() > 1e-3


def policy_weights_a_step(critic: dict[str, object], **train: int) -> tuple[list[list[Tensor]], Critic]:
    one, source = ppo(tiny_model("qwen2"), critic, **train)
    found = [copied(one.policy.model)]
    for _ in range(train["steps"]):
        one.learn(GROUPS, Stopwatch())
        found.append(copied(one.policy.model))
    return found, source


@pytest.mark.parametrize("train", [{}, {"update_epochs": 2, "mini_batches": 2}], ids=["one", "four optimizer steps"])
@pytest.mark.parametrize("head_start", [0, 1, 2])
def test_a_head_start_holds_the_policy_for_exactly_so_many_steps(head_start: int, train: dict[str, int]) -> None:
    weights, critic = policy_weights_a_step({"head_start": head_start}, steps=4, **train)
    moved = [not same(before, after) for before, after in pairwise(weights)]
    assert moved == [step >= head_start for step in range(4)]
    assert critic.head.weight.any()


def test_it_takes_the_optimizer_steps_that_are_set() -> None:
    _, critic = ppo(tiny_model("qwen2"), {"update_epochs": 3, "mini_batches": 2})
    taught(critic, make_scorer(tiny_model("qwen2"), frozenset()).score(GROUPS), 1)
    assert steps_taken(critic) == 6


# How


def gradient(max_tokens: int, checkpoint: bool, trunk: str) -> list[Tensor]:
    _, critic = ppo(
        tiny_model("qwen2"), {"trunk": trunk}, micro_batch_tokens=max_tokens, gradient_checkpointing=checkpoint
    )
    nn.init.normal_(critic.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    experience = make_scorer(tiny_model("qwen2"), frozenset()).score(GROUPS)
    found: list[Tensor] = []
    critic.optimizer.adamw.register_step_pre_hook(
        lambda optimizer, args, kwargs: found.extend(
            weight.grad.clone() for weight in critic.optimizer.weights.values() if weight.grad is not None
        )
    )
    taught(critic, experience, 1)
    return found


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_the_gradient_is_the_same_for_every_split(trunk: str) -> None:
    whole = gradient(1000, False, trunk)
    assert max(float(tensor.abs().max()) for tensor in whole) > 1e-2
    for max_tokens, checkpoint in ((60, False), (30, False), (1, True)):
        split = gradient(max_tokens, checkpoint, trunk)
        for a, b in zip(whole, split, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_loss_clip_fraction_and_explained_variance_by_hand() -> None:
    """With old values far from the values, so that the clip decides somewhere."""
    _, critic = ppo(tiny_model("qwen2"), {"value_clip": 0.1}, micro_batch_tokens=30)
    nn.init.normal_(critic.head.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    experience = make_scorer(tiny_model("qwen2"), frozenset()).score(GROUPS)
    values, _ = critic.score(experience)
    old = values + 0.3 * torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
    stats = critic.learn(experience.with_tensor("values", old))
    mask, batch = experience.batch.response_mask, experience.with_tensor("values", old).batch
    returns = PPO().returns(batch)
    expected = weighted_sum(value_loss(values, old, returns, 0.1), token_mean(mask, mask.shape[1]))
    torch.testing.assert_close(stats["critic/loss"], expected, rtol=0, atol=1e-5)
    held = values.clamp(old - 0.1, old + 0.1)
    decided = ((held - returns) ** 2 > (values - returns) ** 2)[mask].float().mean()
    assert 0 < decided < 1
    torch.testing.assert_close(stats["critic/clip_fraction"], decided, rtol=0, atol=1e-5)
    left = (returns - old)[mask]
    share = 1 - left.var(correction=0) / returns[mask].var(correction=0)
    torch.testing.assert_close(stats["critic/explained_variance"], share, rtol=0, atol=1e-5)
    assert stats["critic/skipped_updates"] == 0


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_its_state_is_all_that_it_is(trunk: str) -> None:
    experience = make_scorer(tiny_model("qwen2"), frozenset()).score(GROUPS)
    _, first = ppo(tiny_model("qwen2"), {"trunk": trunk})
    taught(first, experience, 2)
    _, second = ppo(tiny_model("qwen2"), {"trunk": trunk})
    second.load({name: tensor.clone() for name, tensor in first.state().items()})
    taught(first, experience, 2)
    taught(second, experience, 2)
    assert torch.equal(first.score(experience)[0], second.score(experience)[0])
    assert first.score(experience)[0].any()


def test_a_stop_is_asked_for_while_it_scores() -> None:
    stop = StopRequest()
    model = tiny_model("qwen2")
    one = make_learner(model, settings(), stop=stop)
    before = copy.deepcopy(model.state_dict())
    stop.signal_number = 2
    with pytest.raises(Interrupted):
        one.learn(GROUPS, Stopwatch())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
