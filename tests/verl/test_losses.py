"""The surrogates as verl's policy losses: our numbers, verl's settings and reductions."""

import pytest
import torch
from verl.trainer.ppo.core_algos import get_policy_loss_fn
from verl.workers.config import ActorConfig

from spro.errors import BatchError
from spro.loss import REDUCTIONS, SURROGATES, policy_loss

MASK = torch.arange(6) < torch.tensor([6, 3, 1, 5])[:, None]


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    old, new, advantages = (torch.randn(4, 6, generator=generator, dtype=torch.float64) for _ in range(3))
    return old - 2, (old - 2 + 0.3 * new).requires_grad_(), advantages


def actor(**settings: float) -> ActorConfig:
    return ActorConfig(strategy="fsdp2", ppo_micro_batch_size_per_gpu=1, rollout_n=2, **settings)


@pytest.mark.parametrize("mode", ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum"])
@pytest.mark.parametrize("name", SURROGATES)
def test_a_loss_mode_is_its_surrogate(name: str, mode: str) -> None:
    old, new, advantages = tensors()
    config = actor(clip_ratio_low=0.1, clip_ratio_high=0.3)
    loss, metrics = get_policy_loss_fn(f"spro_{name}")(old, new, advantages, MASK, mode, config)
    (gradient,) = torch.autograd.grad(loss, new)
    surrogate = SURROGATES[name](clip_ratio_low=0.1, clip_ratio_high=0.3)
    expected = policy_loss(surrogate, new, old, advantages, REDUCTIONS[mode](MASK, 6))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, new)[0])
    clipped = surrogate.is_clipped(new, old, advantages, MASK)[MASK].mean()
    assert metrics["actor/pg_clipfrac"] == pytest.approx(float(clipped))
    assert metrics["actor/ppo_kl"] == pytest.approx(float((old - new)[MASK].mean()))


@pytest.mark.parametrize("mode", ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum-norm"])
def test_two_ranks_with_half_of_the_batch_each_descend_on_the_whole(mode: str) -> None:
    """What verl's engines tell a loss of the whole batch: FSDP then averages the gradients of the ranks."""
    old, new, advantages = tensors()
    config = actor(clip_ratio_low=0.1, clip_ratio_high=0.3, loss_scale_factor=6)
    config.global_batch_info.update(
        dp_size=2, batch_num_tokens=int(MASK.sum()), global_batch_size=4, loss_scale_factor=6
    )
    loss = get_policy_loss_fn("spro_ppo")
    halves = [loss(old[h], new[h], advantages[h], MASK[h], mode, config)[0] for h in (slice(0, 2), slice(2, 4))]
    (gradient,) = torch.autograd.grad(sum(halves) / 2, new)
    surrogate = SURROGATES["ppo"](clip_ratio_low=0.1, clip_ratio_high=0.3)
    expected = policy_loss(surrogate, new, old, advantages, REDUCTIONS[mode](MASK, 6))
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, new)[0])


@pytest.mark.parametrize(("ours", "theirs"), [("spro_dual_clip", "vanilla"), ("spro_cispo", "cispo")])
def test_where_verl_has_the_same_loss_the_numbers_are_the_same(ours: str, theirs: str) -> None:
    old, new, advantages = tensors()
    results = []
    for name in (ours, theirs):
        loss, metrics = get_policy_loss_fn(name)(
            old_log_prob=old, log_prob=new, advantages=advantages, response_mask=MASK,
            loss_agg_mode="token-mean", config=actor(), rollout_is_weights=torch.full_like(old, 0.5),
        )  # fmt: skip
        results.append((loss, torch.autograd.grad(loss, new)[0], metrics["actor/ppo_kl"]))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1] * MASK, results[1][1] * MASK)
    assert results[0][2] == pytest.approx(results[1][2])


def test_nothing_off_the_mask_is_read() -> None:
    old, new, advantages = tensors()
    junk = torch.where(MASK, advantages, float("nan"))
    loss, _ = get_policy_loss_fn("spro_ppo")(old, new, junk, MASK, "token-mean", actor())
    assert loss.isfinite()
    assert torch.autograd.grad(loss, new)[0].isfinite().all()


def test_an_impossible_setting_is_named() -> None:
    old, new, advantages = tensors()
    with pytest.raises(BatchError, match="clip_ratio_low"):
        get_policy_loss_fn("spro_ppo")(old, new, advantages, MASK, "token-mean", actor(clip_ratio_low=2.0))
