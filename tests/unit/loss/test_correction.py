"""Truncated importance sampling by hand."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from spro.loss import NoCorrection, TruncatedImportance


def test_weights_by_hand() -> None:
    old = torch.tensor([[0.5, 0.25, 0.4], [0.9, 0.1, 1.0]], dtype=torch.float64).log()
    rollout = torch.tensor([[0.25, 0.5, 0.1], [0.3, 0.2, 1.0]], dtype=torch.float64).log()
    expected = torch.tensor([[2.0, 0.5, 2.5], [2.5, 0.5, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(TruncatedImportance(cap=2.5)(old, rollout), expected)


def test_the_default_cap_is_2() -> None:
    weights = TruncatedImportance()(torch.tensor([[0.0, -1.0]]), torch.tensor([[-5.0, -1.5]]))
    torch.testing.assert_close(weights, torch.tensor([[2.0, math.exp(0.5)]]))


@given(st.lists(st.floats(-50, 0, width=32), min_size=1, max_size=5), st.floats(1, 5))
def test_the_same_engine_weighs_1(log_probs: list[float], cap: float) -> None:
    given = torch.tensor([log_probs])
    assert torch.equal(TruncatedImportance(cap)(given, given), torch.ones_like(given))


@given(st.floats(-60, 0, width=32), st.floats(-60, 0, width=32), st.floats(1, 5))
def test_a_weight_is_finite_and_between_0_and_the_cap(old: float, rollout: float, cap: float) -> None:
    weight = float(TruncatedImportance(cap)(torch.tensor([[old]]), torch.tensor([[rollout]])))
    assert 0 <= weight <= cap * (1 + 1e-6)


def test_no_gradient_flows_through_a_weight() -> None:
    old, rollout = torch.tensor([[-1.0, -2.0]], requires_grad=True), torch.tensor([[-1.5, -2.0]], requires_grad=True)
    for correction in (TruncatedImportance(), NoCorrection()):
        assert not correction(old, rollout).requires_grad


def test_no_correction_weighs_1_whatever_the_engine_said() -> None:
    weights = NoCorrection()(torch.tensor([[-1.0, -2.0]]), torch.tensor([[-9.0, float("nan")]]))
    assert torch.equal(weights, torch.ones(1, 2))
