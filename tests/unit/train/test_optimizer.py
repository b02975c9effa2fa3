"""The optimizer against torch's own, in float32 and in half precision; what is skipped, and what is kept."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from spro.config import OptimizerConfig
from spro.models import trainable
from spro.train.optimizer import Optimizer, State
from spro.train.schedule import Schedule
from tests.models import tiny_model

HALF_AND_WHOLE = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
SCHEDULE = Schedule(8, warmup_steps=2)


def section(**settings: float) -> OptimizerConfig:
    return OptimizerConfig(**({"learning_rate": 0.01, "weight_decay": 0.1, "max_grad_norm": 0.5} | settings))


def net(dtype: torch.dtype = torch.float32, seed: int = 0) -> nn.Module:
    return tiny_model("llama", vocab_size=16, seed=seed).to(dtype)


def unused(model: nn.Module) -> nn.Parameter:
    """A weight that no forward reads."""
    model.unused = nn.Parameter(torch.ones(3, dtype=next(model.parameters()).dtype))
    return model.unused


def add_gradient(model: nn.Module, step: int, scale: float = 1.0) -> Tensor:
    """Of some loss that differs from step to step."""
    token_ids = torch.arange(step, step + 8)[None] % 16
    loss = scale * model(token_ids).logits.float().log_softmax(-1)[0, :, step % 16].mean()
    loss.backward()
    return loss.detach()


def make(model: nn.Module, schedule: Schedule = SCHEDULE, **settings: float) -> Optimizer:
    return Optimizer(trainable(model), section(**settings), schedule)


def take(model: nn.Module, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.step(add_gradient(model, step))


def copied(model: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in model.parameters()]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


# Against torch


def test_in_float32_it_is_adamw_to_the_bit() -> None:
    ours, theirs = net(), net()
    optimizer = make(ours)
    adamw = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    rates = torch.optim.lr_scheduler.LambdaLR(adamw, SCHEDULE)
    for step in range(5):
        applied = optimizer.step(add_gradient(ours, step))
        add_gradient(theirs, step)
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        adamw.step()
        adamw.zero_grad()
        rates.step()
        assert torch.equal(applied.grad_norm, norm)
        assert norm > 0.5, "or nothing is clipped"
        assert same(copied(ours), copied(theirs))
    assert not same(copied(ours), copied(net()))
    assert not optimizer.state().keys() & {f"master/{name}" for name in optimizer.weights}, "no second copy"


def test_in_half_precision_it_is_adamw_on_float32_copies() -> None:
    half = net(torch.bfloat16)
    copies = {name: weight.detach().float().requires_grad_() for name, weight in half.named_parameters()}
    adamw = torch.optim.AdamW(copies.values(), lr=0.01, weight_decay=0.1)
    rates = torch.optim.lr_scheduler.LambdaLR(adamw, SCHEDULE)
    optimizer, twin = make(half), copy.deepcopy(half)
    for step in range(5):
        add_gradient(twin, step)
        for name, weight in twin.named_parameters():
            copies[name].grad = weight.grad.float()
            weight.grad = None
        torch.nn.utils.clip_grad_norm_(copies.values(), 0.5)
        adamw.step()
        rates.step()
        optimizer.step(add_gradient(half, step))
        with torch.no_grad():
            for name, weight in twin.named_parameters():
                weight.copy_(copies[name])
        assert same(copied(half), copied(twin))
    assert all(master.dtype == torch.float32 for master in optimizer.masters.values())
    for name, weight in half.named_parameters():
        assert weight.dtype == torch.bfloat16
        assert torch.equal(optimizer.masters[name], copies[name])
        assert torch.equal(weight, optimizer.masters[name].bfloat16())
    assert any(not torch.equal(m, m.bfloat16().float()) for m in optimizer.masters.values())


# Half precision


def half_weight(value: float = 1.0) -> nn.Parameter:
    return nn.Parameter(torch.full((4,), value, dtype=torch.bfloat16))


def test_gradients_of_micro_batches_are_added_up_in_float32() -> None:
    weight = half_weight()
    optimizer = Optimizer([("w", weight)], section(), SCHEDULE)
    for part in (1.0, 2**-9, 2**-9):
        (weight * part).sum().backward()
        assert weight.grad is None, "it is freed at once"
    assert torch.equal(optimizer.masters["w"].grad, torch.full((4,), 1 + 2**-8))
    assert torch.tensor(1.0).bfloat16() + torch.tensor(2**-9).bfloat16() == 1, "in bfloat16 they would be lost"


@pytest.mark.parametrize(("rate", "is_seen"), [(1e-6, False), (1e-4, True)])
def test_many_updates_that_bfloat16_would_lose_add_up(rate: float, is_seen: bool) -> None:
    """A weight below 1 has 256 neighbours in a unit: it moves once the updates together come to half of 1/256."""
    weight, lost = half_weight(), half_weight()
    optimizer = Optimizer(
        [("w", weight)], section(learning_rate=rate, weight_decay=0.0), Schedule(100, decay="constant")
    )
    adamw = torch.optim.AdamW([lost], lr=rate, weight_decay=0.0)
    for _ in range(100):
        weight.sum().backward()
        optimizer.step(torch.tensor(0.0))
        lost.grad = torch.ones_like(lost)
        adamw.step()
    torch.testing.assert_close(optimizer.masters["w"].detach(), torch.full((4,), 1 - 100 * rate), rtol=0, atol=1e-5)
    assert bool((weight < 1).all()) == is_seen
    assert torch.equal(lost, half_weight()), "the same updates, each rounded away"


# What is skipped


@HALF_AND_WHOLE
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["gradient", "loss"])
def test_what_is_not_finite_changes_nothing_and_counts(where: str, bad: float, dtype: torch.dtype) -> None:
    model = net(dtype)
    optimizer = make(model)
    take(model, optimizer, range(2))
    weights = copied(model)
    state = {name: tensor.clone() for name, tensor in optimizer.state().items() if name != "taken"}
    loss = add_gradient(model, 2, scale=bad if where == "gradient" else 1.0)
    applied = optimizer.step(torch.tensor(bad) if where == "loss" else loss.nan_to_num(0.0, 0.0, 0.0))
    assert applied.skipped == 1
    assert same(copied(model), weights)
    now = optimizer.state()
    assert int(now.pop("taken")) == 3, "the rate belongs to the place in the run"
    assert all(torch.equal(now[name], tensor) for name, tensor in state.items())
    assert optimizer.learning_rate == 0.01 * SCHEDULE(3)
    assert all(master.grad is None for master in optimizer.masters.values())
    assert optimizer.step(add_gradient(model, 3)).skipped == 0
    assert all(weight.isfinite().all() for weight in model.parameters())
    assert not same(copied(model), weights)


def test_it_is_told_before_anything_changes() -> None:
    """A skipped step too: the schedule has moved."""
    model, seen = net(), []
    start = copied(model)

    def note() -> None:
        seen.append((optimizer.taken, same(copied(model), start)))

    optimizer = Optimizer(trainable(model), section(), SCHEDULE, note)
    add_gradient(model, 0)
    optimizer.step(torch.tensor(float("nan")))
    assert seen == [(0, True)]
    optimizer.step(add_gradient(model, 0))
    assert seen == [(0, True), (1, True)]
    assert not same(copied(model), start)


@HALF_AND_WHOLE
def test_gradients_that_are_forgotten_are_not_in_the_next_step(dtype: torch.dtype) -> None:
    model, other = net(dtype), net(dtype)
    optimizer, undisturbed = make(model), make(other)
    add_gradient(model, 7)
    optimizer.forget()
    take(model, optimizer, range(1))
    take(other, undisturbed, range(1))
    assert same(copied(model), copied(other))


# What is kept


Keep = Callable[[nn.Module, Optimizer, Path], tuple[nn.Module, Optimizer]]


def through_a_file(state: State, folder: Path) -> State:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "state.safetensors")
    return load_file(folder / "state.safetensors")


def beside_the_model(model: nn.Module, optimizer: Optimizer, folder: Path) -> tuple[nn.Module, Optimizer]:
    """The weights are kept by somebody else."""
    fresh = net(next(model.parameters()).dtype, seed=1)
    unused(fresh)
    other = make(fresh)
    fresh.load_state_dict(model.state_dict())
    other.load(through_a_file(optimizer.state(), folder))
    return fresh, other


def with_the_model(model: nn.Module, optimizer: Optimizer, folder: Path) -> tuple[nn.Module, Optimizer]:
    fresh = net(next(model.parameters()).dtype, seed=1)
    unused(fresh)
    other = make(fresh)
    other.load_whole(through_a_file(optimizer.whole_state(), folder))
    return fresh, other


@HALF_AND_WHOLE
@pytest.mark.parametrize("keep", [beside_the_model, with_the_model])
@pytest.mark.parametrize("before", [0, 3])
def test_a_run_in_two_parts_is_the_run_to_the_bit(dtype: torch.dtype, keep: Keep, before: int, tmp_path: Path) -> None:
    whole, first = net(dtype), net(dtype)
    unused(whole)
    unused(first)
    optimizer = make(whole)
    take(whole, optimizer, range(6))
    begun = make(first)
    take(first, begun, range(before))
    second, again = keep(first, begun, tmp_path)
    assert again.learning_rate == begun.learning_rate
    take(second, again, range(before, 6))
    assert same(copied(second), copied(whole))
    assert all(torch.equal(again.masters[name], master) for name, master in optimizer.masters.items())
    assert {name: tensor.tolist() for name, tensor in again.state().items()} == {
        name: tensor.tolist() for name, tensor in optimizer.state().items()
    }


def test_what_is_loaded_is_not_what_is_given() -> None:
    """Or training on would change the state that was read."""
    model = net()
    optimizer = make(model)
    take(model, optimizer, range(2))
    state = {name: tensor.clone() for name, tensor in optimizer.whole_state().items()}
    kept = {name: tensor.clone() for name, tensor in state.items()}
    other = net(seed=1)
    again = make(other)
    again.load_whole(state)
    take(other, again, range(2, 4))
    assert all(torch.equal(state[name], tensor) for name, tensor in kept.items())


@HALF_AND_WHOLE
def test_a_weight_without_a_gradient_stays_and_has_no_state(dtype: torch.dtype) -> None:
    model = net(dtype)
    alone = unused(model)
    optimizer = make(model)
    take(model, optimizer, range(3))
    assert torch.equal(alone, torch.ones_like(alone))
    assert "exp_avg/lm_head.weight" in optimizer.state()
    assert not {"step/unused", "exp_avg/unused", "exp_avg_sq/unused"} & optimizer.state().keys()


def test_a_weight_that_is_frozen_is_none_of_its_business() -> None:
    model = net()
    model.lm_head.weight.requires_grad_(False)
    optimizer = make(model)
    assert "lm_head.weight" not in optimizer.weights
    start = model.lm_head.weight.clone()
    take(model, optimizer, range(2))
    assert torch.equal(model.lm_head.weight, start)
