"""The estimators by hand, and what their docstrings state of value and gradient, by enumeration of a distribution."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spro.loss import KL_ESTIMATORS, REDUCTIONS, kl_penalty
from spro.loss.kl import k2, k3

VOCABULARY = 6


def distributions(seed: int) -> tuple[Tensor, Tensor]:
    """Logits of a policy, with gradient, and the log-probs of a reference; float64 [V]. No |d| reaches k3's limit."""
    generator = torch.Generator().manual_seed(seed)
    logits, reference = torch.rand(2, VOCABULARY, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), reference.log_softmax(-1)


def divergence(left: Tensor, right: Tensor) -> Tensor:
    """KL of two vectors of log-probs."""
    return (left.exp() * (left - right)).sum()


def expected(estimator: str, logits: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over all tokens, each with the policy's probability held fixed: value and gradient as a sampler has them."""
    log_probs = logits.log_softmax(-1)
    terms = KL_ESTIMATORS[estimator]((log_probs - reference)[None])[0]
    mean = (log_probs.exp().detach() * terms).sum()
    (slope,) = torch.autograd.grad(mean, logits)
    return mean.detach(), slope


@given(st.integers(0, 2**31))
def test_what_each_gradient_is_in_expectation(seed: int) -> None:
    logits, reference = distributions(seed)
    (of_policy,) = torch.autograd.grad(divergence(logits.log_softmax(-1), reference), logits)
    (of_reference,) = torch.autograd.grad(divergence(reference, logits.log_softmax(-1)), logits)
    truth = {"k1": torch.zeros_like(of_policy), "k2": of_policy, "k3": of_reference, "k3+": of_policy}
    assert truth.keys() == KL_ESTIMATORS.keys()
    for name, slope in truth.items():
        torch.testing.assert_close(expected(name, logits, reference)[1], slope, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**31))
def test_what_each_value_is_in_expectation(seed: int) -> None:
    logits, reference = distributions(seed)
    truth = divergence(logits.log_softmax(-1), reference).detach()
    for name in ("k1", "k3", "k3+"):
        torch.testing.assert_close(expected(name, logits, reference)[0], truth)


def test_k2_is_biased_and_the_gradients_of_the_two_directions_differ() -> None:
    """Of one pair: the bias has either sign, so that among many pairs some have none to speak of."""
    logits, reference = distributions(0)
    ours = logits.log_softmax(-1)
    both = divergence(ours, reference), divergence(reference, ours)
    assert abs(expected("k2", logits, reference)[0] - both[0]) > 1e-4
    slopes = [torch.autograd.grad(way, logits, retain_graph=True)[0] for way in both]
    assert (slopes[0] - slopes[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "value", "slope"),
    [
        ("k1", 0.5, 1.0),
        ("k2", 0.125, 0.5),
        ("k3", math.exp(-0.5) - 0.5, 1 - math.exp(-0.5)),
        ("k3+", math.exp(-0.5) - 0.5, 0.5),
    ],
)
def test_by_hand_at_half_a_nat(name: str, value: float, slope: float) -> None:
    d = torch.tensor([[0.5]], dtype=torch.float64, requires_grad=True)
    estimate = KL_ESTIMATORS[name](d)
    assert estimate.item() == pytest.approx(value)
    assert torch.autograd.grad(estimate.sum(), d)[0].item() == pytest.approx(slope)


@pytest.mark.parametrize("name", ["k1", "k2", "k3"])
def test_gradcheck(name: str) -> None:
    d = torch.tensor([[-1.5, -0.2, 0.3, 4.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(KL_ESTIMATORS[name], (d,))


@given(st.floats(-50, 50))
def test_k2_and_k3_are_never_negative_and_k3_is_limited(d: float) -> None:
    ratio = torch.tensor([[d]], dtype=torch.float64)
    assert k2(ratio).item() >= 0
    # e^-d - 1 + d loses all its digits near 0.
    assert -1e-15 <= k3(ratio).item() <= 10.0


def test_the_limits_keep_float32_finite() -> None:
    d = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    for estimator in KL_ESTIMATORS.values():
        value = estimator(d)
        assert value.isfinite().all()
        assert torch.autograd.grad(value.sum(), d)[0].isfinite().all()


@pytest.mark.parametrize("name", KL_ESTIMATORS)
@pytest.mark.parametrize("junk", [math.nan, math.inf])
def test_the_penalty_is_a_weighted_sum_that_reads_nothing_off_the_mask(name: str, junk: float) -> None:
    mask = torch.tensor([[True, True, False], [True, False, False]])
    log_probs = torch.tensor([[-1.0, -2.0, junk], [-0.5, junk, junk]], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([[-1.5, -1.0, junk], [-0.5, junk, 0.0]], dtype=torch.float64)
    weights = REDUCTIONS["seq-mean-token-mean"](mask, 3).double()
    penalty = kl_penalty(log_probs, reference, weights, KL_ESTIMATORS[name], 0.3)

    def one(d: float) -> float:
        return KL_ESTIMATORS[name](torch.tensor([[d]], dtype=torch.float64)).item()

    assert penalty.item() == pytest.approx(0.3 * ((one(0.5) + one(-1.0)) / 2 + one(0.0)) / 2)
    (slope,) = torch.autograd.grad(penalty, log_probs)
    assert slope[mask].isfinite().all()
    assert not slope[~mask].any()


def test_a_penalty_pulls_the_policy_to_the_reference() -> None:
    logits, reference = distributions(1)
    _, slope = expected("k3+", logits, reference)
    before, after = (divergence(at.log_softmax(-1), reference) for at in (logits, logits - 0.1 * slope))
    assert after < before


def test_k3_keeps_its_digits_where_a_policy_has_hardly_moved() -> None:
    log_ratio = torch.tensor([[1e-5, -1e-5, 3e-4, -1e-4, 0.0]])
    torch.testing.assert_close(k3(log_ratio).double(), log_ratio.double().square() / 2, rtol=1e-2, atol=0)
    assert (k3(log_ratio) >= 0).all()
