"""Scores through the chunked head: against whole logits, PyTorch, finite differences, and their memory."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear, linear_cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from spro.loss import token_entropy, token_log_probs
from spro.models import linear as module
from spro.models.linear import Bend, linear_log_probs, linear_scores

BENDS = [
    Bend(),
    Bend(temperature=0.7),
    Bend(scale=0.125, temperature=1.5),
    Bend(cap=2.0),
    Bend(scale=3.0, cap=1.5, temperature=0.7),
]
POSITIONS, HIDDEN, VOCABULARY = 7, 5, 11


@pytest.fixture(params=[1, 3 * VOCABULARY, 10**9], autouse=True, ids=["a row", "three rows", "all rows"])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", request.param)


def inputs(dtype: torch.dtype, bias: bool = True) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(POSITIONS, HIDDEN, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(VOCABULARY, HIDDEN, generator=generator).to(dtype).requires_grad_()
    shift = torch.randn(VOCABULARY, generator=generator).to(dtype).requires_grad_()
    token_ids = torch.randint(VOCABULARY, (POSITIONS,), generator=generator)
    return states, weight, shift if bias else None, token_ids


def whole(states: Tensor, weight: Tensor, bias: Tensor | None, token_ids: Tensor, bend: Bend) -> tuple[Tensor, Tensor]:
    """By the logits of all positions at once."""
    logits = linear(states, weight, bias)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) * bend.scale
    logits = logits if bend.cap is None else bend.cap * torch.tanh(logits / bend.cap)
    logits = logits[None] / bend.temperature
    return token_log_probs(logits, token_ids[None])[0], token_entropy(logits)[0]


def gradients_of(scores: tuple[Tensor, Tensor], leaves: list[Tensor]) -> list[Tensor]:
    log_probs, entropy = scores
    weights = torch.linspace(-1.0, 2.0, len(log_probs), dtype=log_probs.dtype)
    return list(torch.autograd.grad((weights * log_probs + weights.flip(0) * entropy).sum(), leaves))


@pytest.mark.parametrize("bend", BENDS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_finite_differences(bend: Bend, bias: bool) -> None:
    states, weight, shift, token_ids = inputs(torch.float64, bias)
    leaves = [tensor for tensor in (states, weight, shift) if tensor is not None]

    def scores(states: Tensor, weight: Tensor, *shift: Tensor) -> tuple[Tensor, Tensor]:
        return linear_scores(states, weight, shift[0] if shift else None, token_ids, bend)

    assert torch.autograd.gradcheck(scores, leaves)


@pytest.mark.parametrize("bend", BENDS, ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 2e-2)]
)
def test_scores_and_gradients_are_those_of_whole_logits(bend: Bend, dtype: torch.dtype, tolerance: float) -> None:
    states, weight, bias, token_ids = inputs(dtype)
    assert bias is not None
    found = linear_scores(states, weight, bias, token_ids, bend)
    expected = whole(states, weight, bias, token_ids, bend)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype == torch.promote_types(dtype, torch.float32)
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=min(tolerance, 1e-6))
    assert torch.equal(linear_log_probs(states, weight, bias, token_ids, bend), found[0])
    leaves = [states, weight, bias]
    for ours, theirs in zip(gradients_of(found, leaves), gradients_of(expected, leaves), strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))


def test_log_probs_are_those_of_pytorch() -> None:
    states, weight, bias, token_ids = inputs(torch.float32)
    assert bias is not None
    found, _ = linear_scores(states, weight, bias, token_ids, Bend())
    expected = -linear_cross_entropy(states, weight, token_ids, linear_bias=bias, reduction="none")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    leaves = [states, weight, bias]
    ours = torch.autograd.grad(found.sum(), leaves)
    for gradient, theirs in zip(ours, torch.autograd.grad(expected.sum(), leaves), strict=True):
        torch.testing.assert_close(gradient, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_what_is_frozen_gets_no_gradient(wanted: tuple[bool, bool, bool], bias: bool) -> None:
    states, weight, shift, token_ids = inputs(torch.float32, bias)
    leaves = [states, weight, shift]
    for tensor, is_wanted in zip(leaves, wanted, strict=True):
        if tensor is not None:
            tensor.requires_grad_(is_wanted)
    found = linear_scores(states, weight, shift, token_ids, Bend())
    if not any(tensor is not None and tensor.requires_grad for tensor in leaves):
        assert not found[0].requires_grad
        return
    (found[0] + found[1]).sum().backward()
    for tensor, is_wanted in zip(leaves, wanted, strict=True):
        assert tensor is None or (tensor.grad is not None) == is_wanted


def test_each_output_alone_has_its_gradient() -> None:
    states, weight, bias, token_ids = inputs(torch.float64)
    for index in (0, 1):
        ours = torch.autograd.grad(
            linear_scores(states, weight, bias, token_ids, Bend())[index].sum(), [states, weight]
        )
        theirs = torch.autograd.grad(whole(states, weight, bias, token_ids, Bend())[index].sum(), [states, weight])
        torch.testing.assert_close(ours, theirs)


def test_an_impossible_token_adds_nothing_and_brings_no_nan() -> None:
    states, weight, bias, token_ids = inputs(torch.float64)
    assert bias is not None
    with torch.no_grad():
        bias[3] = -torch.inf
        token_ids[token_ids == 3] = 4
    log_probs, entropy = linear_scores(states, weight, bias, token_ids, Bend())
    kept = [i for i in range(VOCABULARY) if i != 3]
    renamed = token_ids - (token_ids > 3).long()
    expected = whole(states, weight[kept], bias[kept], renamed, Bend())
    torch.testing.assert_close((log_probs, entropy), expected)
    leaves = [states, weight, bias]
    found = gradients_of((log_probs, entropy), leaves)
    assert all(gradient.isfinite().all() for gradient in found)
    for ours, theirs in zip(found, gradients_of(expected, leaves), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_sampled_impossible_token_has_minus_infinity() -> None:
    states, weight, bias, token_ids = inputs(torch.float32)
    assert bias is not None
    with torch.no_grad():
        bias[int(token_ids[0])] = -torch.inf
    log_probs, entropy = linear_scores(states, weight, bias, token_ids, Bend())
    assert log_probs[0] == -math.inf
    assert entropy.isfinite().all()


def test_large_logits_do_not_overflow() -> None:
    states, weight, bias, token_ids = inputs(torch.float32)
    assert bias is not None
    found = linear_scores(states * 1e4, weight, bias, token_ids, Bend())
    assert all(score.isfinite().all() for score in found)
    assert all(gradient.isfinite().all() for gradient in gradients_of(found, [states, weight, bias]))


def test_no_positions() -> None:
    _, weight, bias, _ = inputs(torch.float32)
    states = torch.empty(0, HIDDEN, requires_grad=True)
    none = torch.empty(0, dtype=torch.long)
    log_probs, entropy = linear_scores(states, weight, bias, none, Bend())
    assert log_probs.shape == entropy.shape == linear_log_probs(states, weight, bias, none, Bend()).shape == (0,)
    (log_probs.sum() + entropy.sum()).backward()
    assert states.grad is not None
    assert weight.grad is not None
    assert not weight.grad.any()


def test_the_gradient_of_a_half_precision_weight_is_summed_in_single() -> None:
    # 4,096 chunks that each add 2**-9 of the whole would leave a sum in bfloat16 at a fraction of it.
    states = torch.ones(4096, 1, dtype=torch.bfloat16)
    weight = torch.zeros(2, 1, dtype=torch.bfloat16, requires_grad=True)
    token_ids = torch.zeros(4096, dtype=torch.long)
    linear_scores(states, weight, None, token_ids, Bend())[0].sum().backward()
    assert weight.grad is not None
    assert weight.grad.flatten().tolist() == [2048.0, -2048.0]


def test_under_autocast_the_backward_pass_makes_the_logits_of_the_forward_pass() -> None:
    states, weight, bias, token_ids = inputs(torch.float32)
    assert bias is not None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_probs, _ = linear_scores(states, weight, bias, token_ids, Bend())
    (of_bias,) = torch.autograd.grad(log_probs.sum(), bias)
    # One minus the sum of all probabilities, a position; of other logits they would not sum to 1.
    assert of_bias.sum().abs() < 1e-5


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        made = function(*arguments, **(settings or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return made


@pytest.mark.parametrize("bend", BENDS, ids=str)
def test_the_whole_logits_never_exist(bend: Bend, monkeypatch: pytest.MonkeyPatch) -> None:
    positions, hidden, vocabulary = 128, 4, 64
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", 8 * vocabulary)
    states = torch.randn(positions, hidden, requires_grad=True)
    weight = torch.randn(vocabulary, hidden, requires_grad=True)
    bias = torch.randn(vocabulary, requires_grad=True)
    token_ids = torch.randint(vocabulary, (positions,))
    with Largest() as largest:
        log_probs, entropy = linear_scores(states, weight, bias, token_ids, bend)
        (log_probs.sum() + entropy.sum()).backward()
        linear_log_probs(states, weight, bias, token_ids, bend)
    assert 0 < largest.elements <= 8 * vocabulary
    with Largest() as largest:
        log_probs, entropy = whole(states, weight, bias, token_ids, bend)
        (log_probs.sum() + entropy.sum()).backward()
    assert largest.elements >= positions * vocabulary
