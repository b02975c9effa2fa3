"""A model folder and a dataset of verl's schema, made on the spot."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

# A Llama: for Qwen types verl 0.9.1 wants "\n" to be one token of its own chat template.
CHARACTERS = "0123456789+-=abcdef"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}={% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<eos>", *CHARACTERS])}
    characters = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    characters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made = PreTrainedTokenizerFast(tokenizer_object=characters, pad_token="<pad>", eos_token="<eos>")
    made.chat_template = CHAT_TEMPLATE
    return made


def llama(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(CHARACTERS) + 2,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        tie_word_embeddings=False,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config)


def save_model(folder: Path) -> Path:
    """A folder as ``save_pretrained`` of transformers writes it."""
    llama().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def save_data(path: Path, prompts: int = 32) -> Path:
    rows = [
        {
            "data_source": "sums",
            "prompt": [{"role": "user", "content": f"{index}+{index + 1}"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": str(2 * index + 1)},
            "extra_info": {"index": index, "split": "train"},
        }
        for index in range(prompts)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def score(data_source: str, solution_str: str, ground_truth: str, extra_info: dict | None = None) -> float:
    """A reward that a random model gets about every second time: an even number of different characters."""
    return float(len(set(solution_str)) % 2 == 0)


def raising(data_source: str, solution_str: str, ground_truth: str, extra_info: dict) -> float:
    """A reward that fails on one answer in three to the first four prompts, and on all to the others."""
    if extra_info["index"] >= 4 or ord(solution_str[0]) % 3 == 0:
        raise ArithmeticError(f"no reward for {solution_str!r}")
    return score(data_source, solution_str, ground_truth)
