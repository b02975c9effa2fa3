"""Supervised warm starts: tiny models that have seen worked solutions and made them their own, flaws included.

What they are taught stands in ``lessons.py``. The weights that ship with spro are regenerated, byte by byte, by

    python -m spro.lab.warm_start chain src/spro/assets/chain
    python -m spro.lab.warm_start calculator src/spro/assets/calculator
"""

import argparse
import math
import random
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from spro.lab.lessons import LESSONS, Lesson, Piece

IGNORED = -100


def build_tokenizer(alphabet: str) -> Qwen2Tokenizer:
    """One token a character of the alphabet, and ``<pad>`` and ``<eos>``.

    Qwen2's own class without a merge, since that is what transformers opens a Qwen2 folder with, whatever was saved.
    """
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<eos>", *alphabet])}
    # Unnamed, the unknown token would be one more than the vocabulary has.
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], pad_token="<pad>", eos_token="<eos>", unk_token="<pad>")


def build_model(tokenizer: Qwen2Tokenizer) -> Qwen2ForCausalLM:
    """A Qwen2 of about 0.2 M parameters."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return Qwen2ForCausalLM(config)


def training_batch(
    lesson: Lesson, expressions: list[str], tokenizer: Qwen2Tokenizer, rng: random.Random
) -> tuple[Tensor, Tensor]:
    """Right-padded token ids and labels, both int [B, L]; only what the policy writes is trained on."""
    rows = [_encode_row(lesson.response(expression, rng), expression, tokenizer) for expression in expressions]
    width = max(len(token_ids) for token_ids, _ in rows)
    token_ids = torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in rows])
    labels = torch.tensor([targets + [IGNORED] * (width - len(targets)) for _, targets in rows])
    return token_ids, labels


def _encode_row(response: list[Piece], expression: str, tokenizer: Qwen2Tokenizer) -> tuple[list[int], list[int]]:
    token_ids: list[int] = []
    labels: list[int] = []
    for text, is_written in [(f"{expression}?", False), *response, (tokenizer.eos_token, True)]:
        piece = tokenizer.encode(text)
        token_ids += piece
        labels += piece if is_written else [IGNORED] * len(piece)
    return token_ids, labels


def warm_start(lesson: str, folder: Path, batches: int, batch_size: int, learning_rate: float, seed: int) -> float:
    """Train and save model and tokenizer as an ordinary model folder; returns the mean loss of the last batches."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    taught = LESSONS[lesson]
    tokenizer = build_tokenizer(taught.alphabet)
    model = build_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
    warm_up = 100
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1.0, (i + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * min(1.0, i / batches)))
    )
    stream = taught.training_expressions(rng)
    losses: list[Tensor] = []
    for _ in range(batches):
        token_ids, labels = training_batch(taught, list(islice(stream, batch_size)), tokenizer, rng)
        loss = model(input_ids=token_ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return float(torch.stack(losses[-100:]).mean())


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("lesson", choices=LESSONS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    loss = warm_start(**vars(arguments))
    print(f"wrote {arguments.folder}: mean loss of the last 100 batches {loss:.4f}")


if __name__ == "__main__":
    main()
