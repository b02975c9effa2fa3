"""Where our losses differ from verl 0.9.1 on purpose: each difference by name, with both numbers."""

import pytest
import torch
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig

from spro.loss import REDUCTIONS, SURROGATES, weighted_sum

ONES = torch.ones(2, 4)


def test_seq_mean_token_sum_norm_divides_by_the_length_limit_and_not_by_the_padded_width() -> None:
    """verl does the same once ``loss_scale_factor`` is set, which its trainer leaves at None."""
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]])
    limit, mode = 10, "seq-mean-token-sum-norm"
    ours = [weighted_sum(ONES[:, :width], REDUCTIONS[mode](mask[:, :width].bool(), limit)) for width in (3, 4)]
    theirs = [core_algos.agg_loss(ONES[:, :width], mask[:, :width], mode) for width in (3, 4)]
    assert [loss.item() for loss in ours] == pytest.approx([0.25, 0.25])
    assert [loss.item() for loss in theirs] == pytest.approx([5 / 6, 5 / 8])


@pytest.mark.parametrize("mode", ["seq-mean-token-sum", "seq-mean-token-mean"])
def test_an_empty_response_counts_in_the_mean_over_responses_and_not_in_verls(mode: str) -> None:
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])
    ours = weighted_sum(ONES, REDUCTIONS[mode](mask.bool(), 4))
    theirs = core_algos.agg_loss(ONES, mask, mode)
    assert theirs.item() == pytest.approx(2 * ours.item())


def test_nan_log_probs_off_the_mask_are_not_read_where_verls_loss_is_nan() -> None:
    log_probs, mask = torch.tensor([[-1.0, float("nan")]]), torch.tensor([[1, 0]])
    advantages = torch.ones(1, 2)
    config = ActorConfig(strategy="fsdp", rollout_n=2, ppo_micro_batch_size_per_gpu=1)
    ours = SURROGATES["gspo"]()(log_probs, log_probs, advantages, mask.bool())
    theirs, _ = core_algos.compute_policy_loss_gspo(log_probs, log_probs, advantages, mask, config=config)
    assert ours.tolist() == [[1.0, 0.0]]
    assert theirs.isnan()


def test_cispo_has_no_lower_limit_by_default_and_verl_has_ppos() -> None:
    old_log_probs, log_probs, mask = torch.zeros(1, 1), torch.tensor([[-2.0]]), torch.ones(1, 1, dtype=torch.long)
    config = ActorConfig(strategy="fsdp", rollout_n=2, ppo_micro_batch_size_per_gpu=1)
    ours = SURROGATES["cispo"]()(log_probs, old_log_probs, torch.ones(1, 1), mask.bool())
    theirs, _ = core_algos.compute_policy_loss_cispo(old_log_probs, log_probs, torch.ones(1, 1), mask, config=config)
    assert ours.item() == pytest.approx(-2.0 * 0.135335, abs=1e-5)
    assert -theirs.item() == pytest.approx(-2.0 * 0.8, abs=1e-5)
