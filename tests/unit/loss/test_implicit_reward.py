"""The implicit reward and its cross-entropy against a loop over Python floats, and by finite differences."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spro.loss import implicit_reward_logit, outcome_cross_entropy


def loop(prm: Tensor, ref: Tensor, mask: Tensor, beta: float, outcome: Tensor) -> list[float]:
    losses = []
    for row, target in enumerate(outcome.tolist()):
        written = [t for t, here in enumerate(mask[row].tolist()) if here]
        logit = beta * math.fsum(float(prm[row, t]) - float(ref[row, t]) for t in written)
        right = 1 / (1 + math.exp(-logit))
        losses.append(-target * math.log(right) - (1 - target) * math.log(1 - right))
    return losses


@given(st.integers(0, 2**31), st.floats(0.01, 2.0))
def test_against_the_loop_with_soft_targets_and_junk_off_the_mask(seed: int, beta: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    prm, ref = -3 * torch.rand(2, 5, 4, generator=generator, dtype=torch.float64)
    mask = torch.rand(5, 4, generator=generator) < 0.6
    outcome = torch.tensor([0.0, 1.0, 0.25, 0.5, 0.9], dtype=torch.float64)
    expected = loop(prm, ref, mask, beta, outcome)
    prm, ref = prm.masked_fill(~mask, float("nan")), ref.masked_fill(~mask, float("inf"))
    losses = outcome_cross_entropy(implicit_reward_logit(prm, ref, mask, beta), outcome)
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64))


def test_by_hand() -> None:
    mask = torch.tensor([[True, True], [True, False]])
    prm, ref = torch.tensor([[-1.0, -2.0], [-1.0, -1.0]]), torch.tensor([[-2.0, -5.0], [-1.0, -9.0]])
    logit = implicit_reward_logit(prm, ref, mask, beta=0.5)
    assert logit.tolist() == [2.0, 0.0]
    losses = outcome_cross_entropy(logit, torch.tensor([1.0, 0.25]))
    assert losses.tolist() == pytest.approx([math.log(1 + math.exp(-2)), math.log(2)])


def test_gradients_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    prm, ref = -3 * torch.rand(2, 3, 4, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    outcome = torch.tensor([1.0, 0.0, 0.25], dtype=torch.float64)

    def losses(prm: Tensor) -> Tensor:
        return outcome_cross_entropy(implicit_reward_logit(prm, ref, mask, 0.5), outcome)

    assert torch.autograd.gradcheck(losses, prm.requires_grad_())


def test_the_gradient_is_sigmoid_minus_outcome_on_each_written_token_and_never_nan() -> None:
    prm = torch.tensor([[-1.0, float("nan"), -2.0]], requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    logit = implicit_reward_logit(prm, torch.tensor([[-1.0, 0.0, -4.0]]), mask, beta=0.5)
    outcome_cross_entropy(logit, torch.tensor([0.25])).sum().backward()
    slope = 0.5 * (1 / (1 + math.exp(-1.0)) - 0.25)
    assert prm.grad is not None
    torch.testing.assert_close(prm.grad, torch.tensor([[slope, 0.0, slope]]))


@pytest.mark.parametrize(("logit", "outcome", "loss"), [(900.0, 1.0, 0.0), (-900.0, 1.0, 900.0), (900.0, 0.25, 675.0)])
def test_a_certain_model_has_a_finite_loss(logit: float, outcome: float, loss: float) -> None:
    assert float(outcome_cross_entropy(torch.tensor([logit]), torch.tensor([outcome]))) == pytest.approx(loss)


def test_a_soft_target_is_met_where_the_sigmoid_is_it() -> None:
    logit = torch.tensor([math.log(1 / 3)], requires_grad=True)
    outcome_cross_entropy(logit, torch.tensor([0.25])).sum().backward()
    assert logit.grad is not None
    assert float(logit.grad) == pytest.approx(0.0, abs=1e-7)
