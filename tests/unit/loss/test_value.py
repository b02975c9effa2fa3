"""The critic's loss by hand, in verl's own terms, and by finite differences."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spro.loss import explained_variance, is_value_clipped, token_mean, value_loss, weighted_sum


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def test_by_hand() -> None:
    # Not moved; moved within the clip; beyond it towards the target; beyond it and past the target; away from it.
    values, old, returns = row(1.0, 0.3, 0.9, 1.5, -1.0), row(1.0, 0.0, 0.0, 0.0, 0.0), row(3.0, 1.0, 1.0, 1.0, 1.0)
    loss = value_loss(values, old, returns, 0.5)
    torch.testing.assert_close(loss, row(4.0, 0.49, 0.25, 0.25, 4.0) / 2)
    clipped = is_value_clipped(values, old, returns, 0.5)
    assert clipped.tolist() == [[False, False, True, False, False]]


@given(st.integers(0, 2**31), st.floats(0.05, 2.0))
def test_a_mean_over_tokens_is_verls_loss(seed: int, clip: float) -> None:
    """0.5 * masked_mean(max((v - R)^2, (clip(v, v_old - c, v_old + c) - R)^2)), a token at a time."""
    generator = torch.Generator().manual_seed(seed)
    values, old, returns = 2 * torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    mask = torch.rand(4, 5, generator=generator) < 0.7
    mask[0, 0] = True
    losses, clips = [], []
    for i in range(4):
        for t in range(5):
            if mask[i, t]:
                v, v_old, target = float(values[i, t]), float(old[i, t]), float(returns[i, t])
                held = min(max(v, v_old - clip), v_old + clip)
                losses.append(max((v - target) ** 2, (held - target) ** 2))
                clips.append((held - target) ** 2 > (v - target) ** 2)
    weights = token_mean(mask, 5)
    loss = weighted_sum(value_loss(values, old, returns, clip), weights)
    assert float(loss) == pytest.approx(0.5 * sum(losses) / len(losses))
    share = weighted_sum(is_value_clipped(values, old, returns, clip).double(), weights)
    assert float(share) == pytest.approx(sum(clips) / len(clips))


def test_gradients_by_finite_differences() -> None:
    values, old, returns = row(1.0, 0.3, 0.9, 1.5, -1.0), row(1.0, 0.0, 0.0, 0.0, 0.0), row(3.0, 1.0, 1.0, 1.0, 1.0)
    assert torch.autograd.gradcheck(lambda values: value_loss(values, old, returns, 0.5), values.requires_grad_())


def test_a_value_that_has_moved_far_towards_its_target_is_pulled_no_further() -> None:
    values = row(0.9, 0.3, -0.9).requires_grad_()
    value_loss(values, row(0.0, 0.0, 0.0), row(2.0, 2.0, 2.0), 0.5).sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, row(0.0, -1.7, -2.9))


def test_no_gradient_flows_where_the_values_did_not_come_from() -> None:
    values, old, returns = (row(0.9, 0.3).requires_grad_() for _ in range(3))
    value_loss(values, old.detach(), returns.detach(), 0.5).sum().backward()
    assert old.grad is None
    assert returns.grad is None


def test_explained_variance_by_hand() -> None:
    # Var(R) of [0, 1, 2, 3] is 1.25; R - V is [0, 0, 1, 1], of variance 0.25.
    returns, values = torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([[0.0, 1.0], [1.0, 2.0]])
    every = torch.ones(2, 2, dtype=torch.bool)
    assert float(explained_variance(values, returns, every)) == pytest.approx(0.8)
    assert float(explained_variance(returns + 7, returns, every)) == pytest.approx(1.0), (
        "a constant error has no spread"
    )
    assert float(explained_variance(torch.full((2, 2), 0.3), returns, every)) == pytest.approx(0.0, abs=1e-6)
    assert float(explained_variance(-returns, returns, every)) == pytest.approx(-3.0)


def test_explained_variance_reads_nothing_off_the_mask() -> None:
    returns, values = torch.tensor([[0.0, 1.0, 5.0, 2.0, 3.0]]), torch.tensor([[0.0, 1.0, float("nan"), 1.0, 2.0]])
    mask = torch.tensor([[True, True, False, True, True]])
    assert float(explained_variance(values, returns, mask)) == pytest.approx(0.8)


def test_where_all_returns_are_equal_nothing_is_to_be_explained() -> None:
    ones = torch.ones(2, 3)
    assert float(explained_variance(torch.randn(2, 3), ones, ones.bool())) == 0.0
