"""Keeps what verl's trainer has in TransferQueue after each ``_compute_advantage``. For tests only.

``trainer.checkpoint_callback_class=recorder.Recorder`` is how verl builds it in the process of the trainer, before the
first step and with no import in any other worker.
"""

from pathlib import Path
from typing import Any

import torch
import transfer_queue as tq
from repeatable import make_repeatable
from verl.trainer.ppo.checkpoint_callback import CheckpointCallback

FIELDS = ["uid", "prompts", "responses", "input_ids", "response_mask", "rollout_log_probs", "rm_scores"]
FIELDS += ["old_log_probs", "advantages", "returns"]


class Recorder(CheckpointCallback):
    """Saves ``trainer.records``/<step>.pt: ``{"step", "keys", "is_padding", field: list of one tensor a row}``."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        make_repeatable()
        folder = Path(config.trainer.records)
        folder.mkdir(parents=True, exist_ok=True)

        from verl.trainer.ppo.v1.trainer_base import PPOTrainer

        compute = PPOTrainer._compute_advantage

        def recorded(trainer: Any, batch: Any, metrics: dict[str, Any]) -> Any:
            result = compute(trainer, batch, metrics)
            torch.save(_taken(trainer, batch), folder / f"{trainer.global_steps:04d}.pt")
            return result

        PPOTrainer._compute_advantage = recorded


def _taken(trainer: Any, batch: Any) -> dict[str, Any]:
    fields = FIELDS + ["ref_log_prob"] * trainer.use_reference_policy + ["values"] * trainer.use_critic
    data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
    rows = {name: _rows(data[name]) for name in fields}
    padding = [bool(tag.get("is_padding", False)) for tag in batch.tags]
    return {"step": trainer.global_steps, "keys": list(batch.keys), "is_padding": padding} | rows


def _rows(values: Any) -> list[Any]:
    if isinstance(values, torch.Tensor):
        return [row.clone() for row in values.unbind()]
    return [getattr(value, "data", value) for value in values]
