"""What verl computed, once more with plain transformers and spro's own functions."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, PreTrainedModel

from spro.credit import TokenBatch


def model_in(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()


def log_probs(model: PreTrainedModel, record: dict[str, Any]) -> list[Tensor]:
    """Of the responses of a record, each [T]; every row alone, so without padding."""
    found = []
    for ids, response in zip(record["input_ids"], record["responses"], strict=True):
        logits = model(ids[None]).logits[0, -len(response) - 1 : -1]
        found.append(logits.log_softmax(-1).gather(-1, response[:, None])[:, 0])
    return found


def token_batch(record: dict[str, Any], **rows: list[Tensor]) -> TokenBatch:
    """The record as spro's methods read it; ``rows`` are fields of one tensor a response."""
    names = {uid: number for number, uid in enumerate(dict.fromkeys(record["uid"]))}
    return TokenBatch(
        response_mask=padded(record["response_mask"]).bool(),
        group_ids=torch.tensor([names[uid] for uid in record["uid"]]),
        outcome_rewards=torch.stack([rewards.sum() for rewards in record["rm_scores"]]).float(),
        **{name: padded(tensors) for name, tensors in rows.items()},
    )


def padded(rows: list[Tensor]) -> Tensor:
    """[B, T]."""
    return pad_sequence(rows, batch_first=True)
