"""TRL's trainers over a tiny random Llama, made on the spot."""

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

GROUP = 4
WIDTH = 6
SETTINGS = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": [],
    "per_device_train_batch_size": 2 * GROUP,
    "num_generations": GROUP,
    "max_completion_length": WIDTH,
    "beta": 0.0,
}


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<eos>", *"abcdefghij"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
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
    )
    return LlamaForCausalLM(config)


def trainer_of(kind: type, config: type, folder: Path, rewards: list[float], **settings: Any) -> Any:
    """A trainer whose reward function gives the rewards that it is told."""

    def told(completions: list[str], **_: Any) -> list[float]:
        return rewards[: len(completions)]

    trainer = kind(
        model=llama(),
        reward_funcs=told,
        args=config(output_dir=str(folder), **(SETTINGS | settings)),
        train_dataset=Dataset.from_list([{"prompt": "abc"}, {"prompt": "bca"}]),
        processing_class=tokenizer(),
    )
    trainer.model.train()
    # Set by the training loop before each step.
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def grpo(folder: Path, rewards: list[float] = (), **settings: Any) -> GRPOTrainer:
    return trainer_of(GRPOTrainer, GRPOConfig, folder, list(rewards), **settings)


def rloo(folder: Path, rewards: list[float], **settings: Any) -> RLOOTrainer:
    return trainer_of(RLOOTrainer, RLOOConfig, folder, rewards, **settings)
