"""Our losses against TRL 1.16's ``GRPOTrainer._compute_loss`` on a batch: the value and the gradient of every weight.

Both sides read the same tiny model in float32; ours takes the log-probs from its logits.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import WIDTH, grpo
from torch import Tensor

from spro.loss import (
    KL_ESTIMATORS,
    REDUCTIONS,
    SURROGATES,
    entropy_bonus,
    kl_penalty,
    policy_loss,
    token_entropy,
    token_log_probs,
)

ROWS, PROMPT, LOW, HIGH = 5, 3, 0.1, 0.3
LENGTHS = torch.tensor([6, 1, 4, 2, 5])
PPO = ("ppo", {"clip_ratio_low": LOW, "clip_ratio_high": HIGH})
CLIPPED = {"epsilon": LOW, "epsilon_high": HIGH}

OURS_OF_TRLS: dict[str, tuple[dict[str, Any], tuple[str, dict[str, Any]], str]] = {
    "grpo": ({"loss_type": "grpo", **CLIPPED}, PPO, "seq-mean-token-mean"),
    "dr_grpo": ({"loss_type": "dr_grpo", **CLIPPED}, PPO, "seq-mean-token-sum-norm"),
    "dapo": ({"loss_type": "dapo", **CLIPPED}, PPO, "token-mean"),
    "bnpo": ({"loss_type": "bnpo", **CLIPPED}, PPO, "token-mean"),
    "luspo": ({"loss_type": "luspo", **CLIPPED}, PPO, "seq-mean-token-sum"),
    "cispo, with its limit in place of the distance from 1": (
        {"loss_type": "cispo", "epsilon_high": 1.0 + HIGH},
        ("cispo", {"clip_ratio_high": HIGH}),
        "token-mean",
    ),
    "cispo, at the limit of ScaleRL": (
        {"loss_type": "cispo", "epsilon_high": 5.0},
        ("cispo", {}),
        "token-mean",
    ),
}


def sampled(trainer: Any, advantage_a_token: bool) -> dict[str, Tensor]:
    """A ragged batch, with old log-probs so far from the model's that every clip decides somewhere."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(WIDTH) < LENGTHS[:, None]
    completion_ids = torch.randint(2, 12, (ROWS, WIDTH), generator=generator).masked_fill(~mask, 0)
    batch = {
        "prompt_ids": torch.randint(2, 12, (ROWS, PROMPT), generator=generator),
        "prompt_mask": torch.ones(ROWS, PROMPT, dtype=torch.long),
        "completion_ids": completion_ids,
        "completion_mask": mask.long(),
        "advantages": torch.randn(ROWS, *([WIDTH] if advantage_a_token else []), generator=generator),
        "num_items_in_batch": mask.sum(),
    }
    log_probs = token_log_probs(logits_of(trainer.model, batch), completion_ids).detach()
    batch["old_per_token_logps"] = log_probs + 0.7 * torch.randn(ROWS, WIDTH, generator=generator)
    batch["ref_per_token_logps"] = log_probs + 0.7 * torch.randn(ROWS, WIDTH, generator=generator)
    return batch


def logits_of(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    # Past the fused head that the trainer puts on the model: ours reads plain logits.
    hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
    return model.lm_head(hidden)[:, PROMPT - 1 : -1]


def ours(trainer: Any, batch: dict[str, Tensor], surrogate: tuple[str, dict[str, Any]], reduction: str) -> Tensor:
    name, hyper_parameters = surrogate
    mask, advantages = batch["completion_mask"].bool(), batch["advantages"]
    log_probs = token_log_probs(logits_of(trainer.model, batch), batch["completion_ids"])
    return policy_loss(
        SURROGATES[name](**hyper_parameters),
        log_probs,
        batch["old_per_token_logps"],
        advantages if advantages.dim() == 2 else advantages[:, None].expand(log_probs.shape),
        REDUCTIONS[reduction](mask, WIDTH),
    )


def assert_same(trainer: Any, theirs: Tensor, ours: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    of_ours, of_theirs = torch.autograd.grad(ours, weights), torch.autograd.grad(theirs, weights)
    assert max(gradient.abs().max() for gradient in of_theirs) > 1e-2
    torch.testing.assert_close(of_ours, of_theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("advantage_a_token", [False, True], ids=["an advantage a response", "an advantage a token"])
@pytest.mark.parametrize("loss", OURS_OF_TRLS)
def test_losses(loss: str, advantage_a_token: bool, tmp_path: Path) -> None:
    settings, surrogate, reduction = OURS_OF_TRLS[loss]
    trainer = grpo(tmp_path, **settings)
    batch = sampled(trainer, advantage_a_token)
    theirs = trainer._compute_loss(trainer.model, batch)
    assert_same(trainer, theirs, ours(trainer, batch, surrogate, reduction))


def test_gspo(tmp_path: Path) -> None:
    trainer = grpo(tmp_path, loss_type="grpo", importance_sampling_level="sequence", **CLIPPED)
    batch = sampled(trainer, advantage_a_token=False)
    theirs = trainer._compute_loss(trainer.model, batch)
    gspo = ("gspo", {"clip_ratio_low": LOW, "clip_ratio_high": HIGH})
    assert_same(trainer, theirs, ours(trainer, batch, gspo, "seq-mean-token-mean"))


def with_k3(trainer: Any, batch: dict[str, Tensor], kl_loss_coef: float) -> Tensor:
    log_probs = token_log_probs(logits_of(trainer.model, batch), batch["completion_ids"])
    weights = REDUCTIONS["seq-mean-token-mean"](batch["completion_mask"].bool(), WIDTH)
    penalty = kl_penalty(log_probs, batch["ref_per_token_logps"], weights, KL_ESTIMATORS["k3"], kl_loss_coef)
    return ours(trainer, batch, PPO, "seq-mean-token-mean") + penalty


def test_the_kl_term_is_k3_with_the_weights_of_the_loss(tmp_path: Path) -> None:
    trainer = grpo(tmp_path, loss_type="grpo", use_bias_correction_kl=False, **CLIPPED)
    batch = sampled(trainer, advantage_a_token=False)
    # Set behind the constructor, which would look for a reference model on disk.
    trainer.beta = 0.04
    theirs = trainer._compute_loss(trainer.model, batch)
    assert_same(trainer, theirs, with_k3(trainer, batch, kl_loss_coef=0.04))


def test_by_default_trl_multiplies_k3_by_the_ratio_and_ours_does_not(tmp_path: Path) -> None:
    """``use_bias_correction_kl`` of DeepSeek-V3.2; the gradient differs on-policy too."""
    trainer = grpo(tmp_path, loss_type="grpo", **CLIPPED)
    batch = sampled(trainer, advantage_a_token=False)
    trainer.beta = 0.04
    theirs = trainer._compute_loss(trainer.model, batch).item()
    assert theirs == pytest.approx(-0.09585, abs=1e-4)
    assert with_k3(trainer, batch, kl_loss_coef=0.04).item() == pytest.approx(-0.09964, abs=1e-4)


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo"])
def test_the_entropy_bonus_is_a_mean_over_tokens_whatever_the_loss(loss_type: str, tmp_path: Path) -> None:
    trainer = grpo(tmp_path, loss_type=loss_type, entropy_coef=0.5, **CLIPPED)
    batch = sampled(trainer, advantage_a_token=False)
    theirs = trainer._compute_loss(trainer.model, batch)
    weights = REDUCTIONS["token-mean"](batch["completion_mask"].bool(), WIDTH)
    bonus = entropy_bonus(token_entropy(logits_of(trainer.model, batch)), weights, 0.5)
    _, surrogate, reduction = OURS_OF_TRLS[loss_type]
    assert_same(trainer, theirs, ours(trainer, batch, surrogate, reduction) + bonus)


def test_the_limit_of_cispo_is_a_ratio_in_trl_and_a_distance_from_1_here(tmp_path: Path) -> None:
    trainer = grpo(tmp_path, loss_type="cispo", epsilon_high=HIGH)
    batch = sampled(trainer, advantage_a_token=False)
    theirs = trainer._compute_loss(trainer.model, batch).item()
    same_number = ours(trainer, batch, ("cispo", {"clip_ratio_high": HIGH}), "token-mean").item()
    assert (theirs, same_number) == (pytest.approx(0.47690, abs=1e-4), pytest.approx(1.52604, abs=1e-4))
