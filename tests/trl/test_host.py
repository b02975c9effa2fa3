"""What is relied on in TRL itself; fails first where another version is another."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from datasets import Dataset
from tiny import GROUP, PROMPTS, WIDTH, by_letters, config, llama, tokenizer
from torch import Tensor
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler, add_fused_lm_head

from spro.plugins.hosts import TRL
from spro.plugins.trl.limits import LOSS_TYPES

ATTRIBUTES = {
    "accelerator",
    "beta",
    "is_deepspeed_enabled",
    "is_fsdp_enabled",
    "model",
    "num_generations",
    "num_generations_eval",
    "ref_model",
    "reward_func_names",
    "reward_weights",
    "state",
    "temperature",
    "train_dataset",
    "_is_vlm",
    "_logs",
    "_metrics",
    "_train_batch_size",
}


def plain(folder: Path, reward: Any = by_letters, **settings: Any) -> GRPOTrainer:
    trainer = GRPOTrainer(
        llama(),
        reward,
        config(folder, **settings),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in PROMPTS]),
        processing_class=tokenizer(),
    )
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def test_this_version_is_one_of_those_that_are_said_to_be_tested() -> None:
    assert trl.__version__ in TRL.tested


def test_the_attributes_that_are_read_or_set(tmp_path: Path) -> None:
    trainer = plain(tmp_path)
    for name in ATTRIBUTES:
        assert hasattr(trainer, name), name
    assert {"train", "eval"} <= trainer._metrics.keys()
    assert {"prompt", "completion", "advantages", "rewards", "extra", "images"} == trainer._logs.keys()
    assert trainer._logs["advantages"].maxlen == trainer.args.generation_batch_size
    assert trainer.reward_func_names == ["by_letters"]
    assert trainer.ref_model is None


def test_the_signatures_that_are_called() -> None:
    log_probs = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters
    assert {"model", "input_ids", "attention_mask", "logits_to_keep", "batch_size"} <= log_probs.keys()
    assert {"temperature", "cast_lm_head_to_fp32"} <= inspect.signature(add_fused_lm_head).parameters.keys()
    assert list(inspect.signature(GRPOTrainer.__init__).parameters)[:4] == ["self", "model", "reward_funcs", "args"]
    assert list(inspect.signature(GRPOTrainer._save_checkpoint).parameters) == ["self", "model", "trial"]
    loading = inspect.signature(GRPOTrainer._load_from_checkpoint).parameters
    assert list(loading) == ["self", "resume_from_checkpoint", "model"]


def test_log_probs_come_first_and_are_zero_off_the_mask(tmp_path: Path) -> None:
    trainer = plain(tmp_path)
    ids = torch.tensor([[2, 3, 4, 5, 6], [2, 3, 4, 5, 0]])
    mask = (ids != 0).long()
    found = trainer._get_per_token_logps_and_entropies(
        model=trainer.model, input_ids=ids, attention_mask=mask, logits_to_keep=3, batch_size=1
    )
    assert isinstance(found, tuple)
    assert found[0].shape == (2, 3)
    assert found[0][1, 2] == 0
    logits = trainer.model(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)
    wanted = logits[:, 1:-1].gather(-1, ids[:, 2:, None]).squeeze(-1) * mask[:, 2:]
    torch.testing.assert_close(found[0], wanted)


def test_a_scored_batch_has_the_keys_that_are_read_and_one_advantage_a_response(tmp_path: Path) -> None:
    trainer = plain(tmp_path)
    batch = trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))
    assert batch.keys() == {
        "prompt_ids",
        "prompt_mask",
        "completion_ids",
        "completion_mask",
        "advantages",
        "num_items_in_batch",
    }
    assert batch["advantages"].shape == (2 * GROUP,)
    assert batch["num_items_in_batch"].dim() == 0
    assert int(batch["num_items_in_batch"]) == int(batch["completion_mask"].sum())


def test_old_log_probs_are_there_where_a_rollout_is_used_twice(tmp_path: Path) -> None:
    trainer = plain(tmp_path, num_iterations=2)
    batch = trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))
    assert batch["old_per_token_logps"].shape == batch["completion_ids"].shape


def test_a_penalty_that_is_set_later_reads_the_reference_that_is_set_later(tmp_path: Path) -> None:
    trainer = plain(tmp_path)
    trainer.beta, trainer.ref_model = 0.04, llama(seed=1)
    add_fused_lm_head(trainer.ref_model)
    batch = trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    logits = llama(seed=1)(input_ids=ids, attention_mask=mask).logits[:, batch["prompt_ids"].shape[1] - 1 : -1]
    wanted = logits.log_softmax(-1).gather(-1, batch["completion_ids"][..., None]).squeeze(-1)
    torch.testing.assert_close(batch["ref_per_token_logps"], wanted.detach() * batch["completion_mask"])


def test_rewards_are_a_column_a_function_with_nan_for_none(tmp_path: Path) -> None:
    def none(completions: list[str], **_: Any) -> list[None]:
        return [None] * len(completions)

    trainer = plain(tmp_path, [by_letters, none])
    rows = [{"prompt": "abc"}] * 3
    rewards = trainer._calculate_rewards(rows, ["abc"] * 3, ["ae", "bc", "xa"], [[2, 6], [3, 4], [2, 2]])
    torch.testing.assert_close(
        rewards, torch.tensor([[2, torch.nan], [0, torch.nan], [1, torch.nan]]) / WIDTH, equal_nan=True
    )


def test_a_batch_of_the_loader_is_a_generation_batch_that_its_sampler_repeats(tmp_path: Path) -> None:
    trainer = plain(tmp_path, steps_per_generation=2, num_iterations=2)
    sampler = trainer._get_train_sampler()
    assert isinstance(sampler, RepeatSampler)
    assert (sampler.batch_size, sampler.repeat_count) == (4, 4)
    batches = [[row["prompt"] for row in batch] for batch in trainer.get_train_dataloader()]
    assert [len(batch) for batch in batches] == [16] * 8
    assert batches[0] == batches[3] != batches[4]


def sampled(advantages: Tensor, lengths: tuple[int, ...] = (6, 2, 4)) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = (torch.arange(WIDTH) < torch.tensor(lengths)[:, None]).long()
    rows = len(lengths)
    return {
        "prompt_ids": torch.randint(2, 12, (rows, 3), generator=generator),
        "prompt_mask": torch.ones(rows, 3, dtype=torch.long),
        "completion_ids": torch.randint(2, 12, (rows, WIDTH), generator=generator) * mask,
        "completion_mask": mask,
        "advantages": advantages,
        "num_items_in_batch": mask.sum(),
    }


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_each_tokens_advantage_acts_on_its_own_token(loss_type: str, level: str, tmp_path: Path) -> None:
    """By the derivative of the loss on-policy: a sum over tokens of weight times advantage, weights as documented."""
    trainer = plain(tmp_path, loss_type=loss_type, importance_sampling_level=level)
    advantages = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(2)).requires_grad_()
    batch = sampled(advantages)
    (by_token,) = torch.autograd.grad(trainer._compute_loss(trainer.model, batch), advantages)
    mask = batch["completion_mask"].float()
    weights = {
        "grpo": mask / mask.sum(dim=1, keepdim=True) / 3,
        "sapo": mask / mask.sum(dim=1, keepdim=True) / 3,
        "luspo": mask / 3,
        "dr_grpo": mask / (3 * WIDTH),
    }.get(loss_type, mask / mask.sum())
    if loss_type == "cispo":
        log_probs = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            torch.cat([batch["prompt_mask"], mask.long()], dim=1),
            WIDTH,
        )[0]
        # The limit of the ratio, and not its distance from 1.
        weights = weights * log_probs * trainer.epsilon_high
    if loss_type == "sapo":
        temperatures = torch.where(advantages > 0, trainer.args.sapo_temperature_pos, trainer.args.sapo_temperature_neg)
        weights = weights * 2 / temperatures
    torch.testing.assert_close(by_token, -weights.detach())


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_one_advantage_a_response_is_the_same_one_at_every_token(loss_type: str, tmp_path: Path) -> None:
    trainer = plain(tmp_path, loss_type=loss_type)
    one = torch.tensor([0.7, -1.0, 0.3])
    losses = [
        trainer._compute_loss(trainer.model, sampled(advantages)) for advantages in (one, one[:, None].repeat(1, WIDTH))
    ]
    torch.testing.assert_close(*losses)
