"""PPO's clip by hand, the whole loss against a slow loop and by gradcheck, entropy and log-probs against torch."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spro.loss import (
    KL_ESTIMATORS,
    REDUCTIONS,
    SURROGATES,
    entropy_bonus,
    kl_penalty,
    policy_loss,
    token_entropy,
    token_log_probs,
    token_mean,
)
from spro.loss.surrogates import PPOClip

LOW, HIGH = 0.2, 0.3
PPO = PPOClip(LOW, HIGH)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "clipped"),
    [
        (1.0, 2.0, 2.0, 0.0),
        (1.5, 2.0, 2.6, 1.0),  # too far up for a good token: 1.3 * 2
        (1.5, -2.0, -3.0, 0.0),  # up for a bad token: never clipped
        (0.5, 2.0, 1.0, 0.0),  # down for a good token: never clipped
        (0.5, -2.0, -1.6, 1.0),  # too far down for a bad token: 0.8 * -2
    ],
)
def test_by_hand(ratio: float, advantage: float, expected: float, clipped: float) -> None:
    arguments = torch.tensor([[math.log(ratio)]]), torch.zeros(1, 1), torch.tensor([[advantage]])
    assert PPO(*arguments, torch.tensor([[True]])).item() == pytest.approx(expected, abs=1e-6)
    assert PPO.is_clipped(*arguments, torch.tensor([[True]])).item() == clipped


@given(st.integers(0, 2**31), st.sampled_from(sorted(REDUCTIONS)))
def test_loss_against_a_slow_loop(seed: int, reduction: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_probs, old, advantages = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, 6, (4,), generator=generator).tolist()
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    weights = REDUCTIONS[reduction](mask, 7).double()

    responses = []
    for i, length in enumerate(lengths):
        tokens = []
        for t in range(length):
            ratio = math.exp(log_probs[i, t].item() - old[i, t].item())
            clipped = min(max(ratio, 1 - LOW), 1 + HIGH)
            tokens.append(min(ratio * advantages[i, t].item(), clipped * advantages[i, t].item()))
        responses.append(tokens)
    expected = {
        "token-mean": sum(map(sum, responses)) / sum(lengths),
        "token-sum": sum(map(sum, responses)),
        "seq-mean-token-sum": sum(map(sum, responses)) / 4,
        "seq-mean-token-mean": sum(sum(r) / len(r) for r in responses) / 4,
        "seq-mean-token-sum-norm": sum(map(sum, responses)) / 4 / 7,
    }[reduction]
    actual = policy_loss(PPO, log_probs, old, advantages, weights)
    assert actual.item() == pytest.approx(-expected, abs=1e-6)


@pytest.mark.parametrize("surrogate", ["ppo", "dual_clip"])
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_gradcheck_of_the_whole_loss(surrogate: str, estimator: str) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    token_ids = torch.randint(6, (2, 4), generator=generator)
    old = token_log_probs(torch.randn(2, 4, 6, generator=generator, dtype=torch.float64), token_ids)
    reference = token_log_probs(torch.randn(2, 4, 6, generator=generator, dtype=torch.float64), token_ids)
    advantages = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    weights = REDUCTIONS["seq-mean-token-mean"](mask, 4).double()
    chosen = SURROGATES[surrogate]()

    def loss(logits: torch.Tensor) -> torch.Tensor:
        log_probs = token_log_probs(logits, token_ids)
        objective = policy_loss(chosen, log_probs, old, advantages, weights)
        objective = objective + kl_penalty(log_probs, reference, weights, KL_ESTIMATORS[estimator], 0.3)
        return objective + entropy_bonus(token_entropy(logits), token_mean(mask, 4).double(), 0.1)

    ratio = (token_log_probs(logits, token_ids) - old).exp()
    kinks = torch.stack([(ratio - kink).abs() for kink in (0.8, 1.2, 3.0)])
    assert kinks.min() > 1e-3, "the numeric derivative would straddle a kink"
    assert torch.autograd.gradcheck(loss, (logits,))


def test_an_exploding_ratio_stays_finite() -> None:
    log_probs = torch.tensor([[500.0, -500.0]], requires_grad=True)
    mask = torch.tensor([[True, True]])
    value = PPO(log_probs, torch.zeros(1, 2), torch.tensor([[-1.0, 1.0]]), mask)
    value.sum().backward()
    assert value.isfinite().all()
    assert log_probs.grad is not None
    assert log_probs.grad.isfinite().all()


def test_entropy_against_torch_and_with_an_impossible_token() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(token_entropy(logits), expected)
    impossible = torch.tensor([[[0.0, 1.0, -math.inf]]], requires_grad=True)
    entropy = token_entropy(impossible)
    entropy.sum().backward()
    two = torch.tensor([[[0.0, 1.0]]], requires_grad=True)
    token_entropy(two).sum().backward()
    torch.testing.assert_close(entropy, token_entropy(two))
    assert impossible.grad is not None
    assert two.grad is not None
    torch.testing.assert_close(impossible.grad[..., :2], two.grad)
    assert impossible.grad[0, 0, 2] == 0


def test_the_loss_falls_with_entropy() -> None:
    entropy, weights = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.5]])
    assert entropy_bonus(entropy, weights, 0.1).item() == pytest.approx(-0.2)


def test_log_probs_against_torch() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    token_ids = torch.randint(5, (2, 3), generator=torch.Generator().manual_seed(2))
    expected = torch.distributions.Categorical(logits=logits).log_prob(token_ids)
    torch.testing.assert_close(token_log_probs(logits, token_ids), expected)
