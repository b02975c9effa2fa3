"""Tiny models and tokenizers of real architectures, made on the spot."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

TEXT = [r"Find the value of $x$ in \boxed{\frac{1}{2}}.", "Compute 12 + 30 - 5 * 7 and present the answer."]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_level_tokenizer(chat: bool = False, vocab_size: int = 320) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    eos = "<|im_end|>" if chat else "<|endoftext|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token="<|endoftext|>")
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast


SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def tiny_model(family: str, vocab_size: int = 320, seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    ids = {"vocab_size": vocab_size, "pad_token_id": 0, "eos_token_id": 0, "bos_token_id": None}
    if family == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**SHAPE, **ids)).eval()
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**SHAPE, **ids)).eval()
    if family == "gemma":
        return GemmaForCausalLM(GemmaConfig(**SHAPE, **ids, head_dim=8)).eval()
    if family == "gemma3":
        layers = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}
        return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, **ids, **layers, head_dim=8)).eval()
    if family == "gpt2":
        return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=512, **ids)).eval()
    raise ValueError(family)


def save_model_folder(folder: Path, family: str, chat: bool = False) -> Path:
    """An ordinary model folder, as a user would have it."""
    tokenizer = byte_level_tokenizer(chat)
    model = tiny_model(family, len(tokenizer))
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
