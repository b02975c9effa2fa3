"""``SPROTrainer`` over a tiny random Llama, made on the spot, and what its credit is by a plain forward."""

import copy
from pathlib import Path
from typing import Any

import peft
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig

from spro.credit import TokenBatch
from spro.plugins.trl import SPROTrainer

GROUP, WIDTH = 4, 6
PROMPTS = ["abc", "bca", "cab", "def", "efd", "fde", "ghi", "hig"]
SETTINGS = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": [],
    "per_device_train_batch_size": 2 * GROUP,
    "num_generations": GROUP,
    "max_completion_length": WIDTH,
    "loss_type": "grpo",
    "learning_rate": 0.05,
    "logging_steps": 1,
    "save_strategy": "no",
    "disable_tqdm": True,
}


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<eos>", *"abcdefghij"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<eos>",
        chat_template="{% for message in messages %}{{ message.content }}{% endfor %}",
    )


def llama(seed: int = 0, **settings: Any) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=12,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=0.5,
        **settings,
    )
    return LlamaForCausalLM(config)


def lora(**settings: Any) -> peft.LoraConfig:
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    return peft.LoraConfig(r=2, target_modules=targets, task_type="CAUSAL_LM", **settings)


def by_letters(completions: list[str], **_: Any) -> list[float]:
    """The share of vowels among the letters, with a floor: differs inside almost every group."""
    return [sum(letter in "aei" for letter in text) / WIDTH for text in completions]


def config(folder: Path, **settings: Any) -> GRPOConfig:
    return GRPOConfig(output_dir=str(folder), **(SETTINGS | settings))


def spro_trainer(
    folder: Path,
    model: Any = None,
    reward: Any = by_letters,
    rows: list[dict[str, Any]] | None = None,
    given: dict[str, Any] | None = None,
    **settings: Any,
) -> SPROTrainer:
    """``given`` goes to the trainer, ``settings`` to its config."""
    data = [{"prompt": prompt} for prompt in PROMPTS] if rows is None else rows
    return SPROTrainer(
        llama() if model is None else model,
        reward,
        config(folder, **settings),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer(),
        **(given or {}),
    )


def moved(model: torch.nn.Module, scale: float = 0.05) -> None:
    """What is trained, as if a few steps had been made."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(scale * torch.randn(weight.shape, generator=generator))


def recorded(trainer: SPROTrainer) -> list[dict[str, Any]]:
    """Every batch that the trainer scores from now on, with the policy as it was, and the rewards."""
    batches: list[dict[str, Any]] = []
    score = trainer._generate_and_score_completions

    def scored(inputs: Any) -> Any:
        policy = copy_of(trainer.accelerator.unwrap_model(trainer.model))
        batch = score(inputs)
        batches.append(batch | {"policy": policy, "rewards": trainer._rewards.clone()})
        return batch

    trainer._generate_and_score_completions = scored
    return batches


def scored_once(trainer: SPROTrainer) -> dict[str, Any]:
    """One batch of the trainer's own data, rolled out and scored."""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    batches = recorded(trainer)
    trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))
    return batches[0]


def copy_of(model: Any) -> LlamaForCausalLM:
    """As plain transformers has it: adapters merged, no fused head."""
    own = copy.deepcopy(model)
    own = own.merge_and_unload() if hasattr(own, "peft_config") else own
    plain = LlamaForCausalLM(own.config)
    plain.load_state_dict(own.state_dict())
    return plain.eval()


@torch.no_grad()
def log_probs_of(model: LlamaForCausalLM, batch: dict[str, Any]) -> Tensor:
    """[B, T] in nats, by the logits."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, batch["prompt_ids"].shape[1] - 1 : -1]
    return logits.log_softmax(-1).gather(-1, batch["completion_ids"][..., None]).squeeze(-1)


def token_batch(batch: dict[str, Any], initial: LlamaForCausalLM, group: int = GROUP) -> TokenBatch:
    rewards = batch["rewards"].sum(dim=1)
    return TokenBatch(
        response_mask=(batch["completion_mask"] * batch.get("tool_mask", 1)).bool(),
        group_ids=torch.arange(len(rewards)) // group,
        outcome_rewards=rewards,
        token_ids=batch["completion_ids"],
        old_log_probs=log_probs_of(batch["policy"], batch),
        ref_log_probs=log_probs_of(initial, batch),
    )
