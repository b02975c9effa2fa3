"""What holds for every surrogate, and what makes each of them what it is."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spro.errors import BatchError
from spro.loss import REDUCTIONS, SURROGATES, policy_loss
from spro.loss.surrogate import on_mask
from spro.loss.surrogates import CISPO, GSPO, DualClip, PPOClip
from spro.loss.surrogates.gspo import sequence_ratio

names = st.sampled_from(sorted(SURROGATES))
seeds = st.integers(0, 2**31)


class Case:
    """Random log-probs, old ones, advantages and a ragged mask with holes; float64."""

    def __init__(self, seed: int, rows: int = 4, width: int = 5, spread: float = 1.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.log_probs = -3 * torch.rand(rows, width, generator=generator, dtype=torch.float64)
        noise = torch.randn(rows, width, generator=generator, dtype=torch.float64)
        self.old = self.log_probs + spread * noise
        self.advantages = torch.randn(rows, width, generator=generator, dtype=torch.float64)
        self.mask = torch.rand(rows, width, generator=generator) < 0.7
        self.mask[:, 0] = True

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.log_probs, self.old, self.advantages, self.mask


def gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    leaf = at.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return slope


def slow_token(name: str, log_ratios: list[float], t: int, advantage: float, log_prob: float) -> tuple[float, bool]:
    """One token's objective with the published defaults, and whether a limit decided."""
    ratio = math.exp(log_ratios[t])
    low, high = {"gspo": (3e-4, 4e-4), "cispo": (1.0, 4.0)}.get(name, (0.2, 0.2))
    if name == "gspo":
        ratio = math.exp(min(sum(log_ratios) / len(log_ratios), 10.0))
    clipped = min(max(ratio, 1 - low), 1 + high)
    if name == "cispo":
        return clipped * advantage * log_prob, clipped != ratio
    value = min(ratio * advantage, clipped * advantage)
    decides = value != ratio * advantage
    if name == "dual_clip" and advantage < 0 and 3.0 * advantage > value:
        return 3.0 * advantage, True
    return value, decides


@given(names, seeds, st.sampled_from([0.0003, 0.3, 2.0]))
def test_defaults_against_a_slow_loop(name: str, seed: int, spread: float) -> None:
    case, surrogate = Case(seed, spread=spread), SURROGATES[name]()
    values, clipped = surrogate(*case.tensors), surrogate.is_clipped(*case.tensors)
    for i in range(4):
        at = [t for t in range(5) if case.mask[i, t]]
        log_ratios = [(case.log_probs - case.old)[i, t].item() for t in at]
        for k, t in enumerate(at):
            arguments = case.advantages[i, t].item(), case.log_probs[i, t].item()
            value, decides = slow_token(name, log_ratios, k, *arguments)
            assert values[i, t].item() == pytest.approx(value, rel=1e-9, abs=1e-12)
            assert clipped[i, t].item() == decides
    assert not clipped[~case.mask].any()


@given(names, seeds)
def test_on_policy_the_gradient_is_reinforces(name: str, seed: int) -> None:
    case, surrogate = Case(seed), SURROGATES[name]()
    slope = gradient(lambda lp: surrogate(lp, case.log_probs, case.advantages, case.mask), case.log_probs)
    torch.testing.assert_close(slope, case.advantages * case.mask)
    assert not surrogate.is_clipped(case.log_probs, case.log_probs, case.advantages, case.mask).any()


@given(names, seeds, st.sampled_from([math.nan, math.inf, -1e9]))
def test_nothing_off_the_mask_is_read(name: str, seed: int, junk: float) -> None:
    case, surrogate = Case(seed, spread=0.1), SURROGATES[name]()
    weights = REDUCTIONS["seq-mean-token-mean"](case.mask, 5).double()
    dirty = [tensor.masked_fill(~case.mask, junk) for tensor in case.tensors[:3]]
    clean = [tensor.masked_fill(~case.mask, 0.0) for tensor in case.tensors[:3]]
    torch.testing.assert_close(surrogate(*dirty, case.mask), surrogate(*clean, case.mask), rtol=0, atol=0)
    assert torch.equal(surrogate.is_clipped(*dirty, case.mask), surrogate.is_clipped(*clean, case.mask))
    slopes = [
        gradient(lambda lp, rest=rest: policy_loss(surrogate, lp, *rest, weights), first)
        for first, *rest in (dirty, clean)
    ]
    assert torch.equal(*slopes)
    assert not slopes[0][~case.mask].any()


@given(names, seeds)
def test_padding_changes_nothing(name: str, seed: int) -> None:
    case, surrogate = Case(seed), SURROGATES[name]()
    wide = [torch.nn.functional.pad(tensor, (0, 3)) for tensor in case.tensors]
    torch.testing.assert_close(surrogate(*wide)[:, :5], surrogate(*case.tensors))


@given(names, seeds)
def test_extreme_log_probs_stay_finite(name: str, seed: int) -> None:
    case, surrogate = Case(seed, spread=500.0), SURROGATES[name]()
    log_probs, old, advantages = (tensor.float() for tensor in case.tensors[:3])
    assert surrogate(log_probs, old, advantages, case.mask).isfinite().all()
    assert gradient(lambda lp: surrogate(lp, old, advantages, case.mask), log_probs).isfinite().all()


@given(seeds, st.floats(1.01, 9.0))
def test_dual_clip_is_ppo_with_a_floor(seed: int, c: float) -> None:
    case = Case(seed, spread=2.0)
    dual, plain = DualClip(clip_ratio_c=c)(*case.tensors), PPOClip()(*case.tensors)
    assert (dual >= plain).all()
    advantages = case.advantages * case.mask
    assert (dual >= c * advantages.clamp(max=0)).all()
    is_good = advantages >= 0
    assert torch.equal(dual[is_good], plain[is_good]), "good tokens have no floor"
    assert torch.equal(DualClip(clip_ratio_c=1e9)(*case.tensors), plain)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "slope"),
    [(4.0, -2.0, -6.0, 0.0), (2.0, -2.0, -4.0, -4.0), (4.0, 2.0, 2.4, 0.0), (0.5, -2.0, -1.6, 0.0)],
)
def test_dual_clip_by_hand(ratio: float, advantage: float, expected: float, slope: float) -> None:
    at, mask = torch.tensor([[math.log(ratio)]], dtype=torch.float64), torch.tensor([[True]])
    rest = torch.zeros_like(at), torch.full_like(at, advantage), mask
    assert DualClip()(at, *rest).item() == pytest.approx(expected)
    assert gradient(lambda lp: DualClip()(lp, *rest), at).item() == pytest.approx(slope)
    assert DualClip().is_clipped(at, *rest).item() == (slope == 0.0)


@given(seeds)
def test_the_ratio_of_gspo_is_one_number_a_response(seed: int) -> None:
    case = Case(seed)
    ratio = sequence_ratio(on_mask(case.log_probs, case.old, case.advantages, case.mask))
    for i in range(4):
        expected = torch.exp((case.log_probs - case.old)[i, case.mask[i]].mean())
        torch.testing.assert_close(ratio[i], expected.expand(5))


@given(seeds)
def test_gspo_with_one_advantage_a_response_descends_the_sequence_objective(seed: int) -> None:
    """The token form has the gradient of min(s A, clip(s) A) of the paper, differentiated through the mean."""
    case = Case(seed, spread=0.001)
    advantages = case.advantages[:, :1].expand(-1, 5)
    weights = REDUCTIONS["seq-mean-token-mean"](case.mask, 5).double()

    def sequence_objective(log_probs: Tensor) -> Tensor:
        mean = ((log_probs - case.old) * case.mask).sum(1) / case.mask.sum(1)
        ratio = mean.exp()
        return torch.minimum(ratio * advantages[:, 0], ratio.clamp(1 - 3e-4, 1 + 4e-4) * advantages[:, 0]).mean()

    token_form = gradient(lambda lp: -policy_loss(GSPO(), lp, case.old, advantages, weights), case.log_probs)
    # The weights are made in float32.
    torch.testing.assert_close(token_form, gradient(sequence_objective, case.log_probs), rtol=1e-6, atol=1e-9)


def test_gradcheck_of_gspo_and_cispo_where_nothing_is_stopped() -> None:
    """With a stopped gradient the numeric derivative is another one, but for these cases.

    GSPO: one advantage a response, whose tokens weigh alike. CISPO: every ratio outside of the limits.
    """
    case = Case(5, spread=0.001)
    advantages, weights = case.advantages[:, :1].expand(-1, 5), case.mask / case.mask.sum(1, keepdim=True)
    ratio = sequence_ratio(on_mask(case.log_probs, case.old, case.advantages, case.mask))
    assert min((ratio - 1 + 3e-4).abs().min(), (ratio - 1 - 4e-4).abs().min()) > 1e-5
    leaf = case.log_probs.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda lp: policy_loss(GSPO(), lp, case.old, advantages, weights), (leaf,))

    narrow, far = CISPO(0.1, 0.1), case.log_probs + torch.where(case.advantages > 0, 0.5, -0.5)
    assert torch.autograd.gradcheck(lambda lp: narrow(lp, far, case.advantages, case.mask), (leaf,))


@given(seeds, st.floats(0.05, 1.0), st.floats(0.05, 4.0))
def test_the_gradient_of_cispo_is_the_clipped_weight(seed: int, low: float, high: float) -> None:
    case, surrogate = Case(seed), CISPO(low, high)
    weights = (case.log_probs - case.old).exp().clamp(1 - low, 1 + high)
    slope = gradient(lambda lp: surrogate(lp, case.old, case.advantages, case.mask), case.log_probs)
    torch.testing.assert_close(slope, weights * case.advantages * case.mask)


def test_cispo_has_no_lower_limit_unless_asked() -> None:
    at, mask = torch.tensor([[-9.0]], dtype=torch.float64), torch.tensor([[True]])
    assert not CISPO().is_clipped(at, torch.zeros_like(at), torch.ones_like(at), mask).any()
    assert CISPO(clip_ratio_low=0.2).is_clipped(at, torch.zeros_like(at), torch.ones_like(at), mask).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PPOClip(clip_ratio_low=1.0), r"clip_ratio_low is 1\.0; it must lie between 0 and 1"),
        (lambda: PPOClip(clip_ratio_high=0.0), r"clip_ratio_high is 0\.0; it must be finite and above 0"),
        (lambda: DualClip(clip_ratio_c=1.0), r"clip_ratio_c is 1\.0; it must be finite and above 1"),
        (lambda: DualClip(clip_ratio_low=math.nan), "clip_ratio_low is nan"),
        (lambda: GSPO(clip_ratio_low=-3e-4), "clip_ratio_low is -0.0003"),
        (lambda: CISPO(clip_ratio_high=math.inf), "clip_ratio_high is inf"),
    ],
)
def test_impossible_radii_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BatchError, match=message):
        make()
