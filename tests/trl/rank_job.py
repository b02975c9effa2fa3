"""What each of several processes does; started by ``test_ranks.py``. Writes what it found to ``<out>/<rank>.pt``."""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import torch
from tiny import GROUP, WIDTH, moved, spro_trainer

from spro.credit import METHODS
from spro.errors import ConfigError
from spro.plugins.trl import AccuracyFilter

ROWS = 12
"""Of all processes: three groups of four, of which the second straddles two processes."""
PROMPTS = ["abc", "bca", "cab", "def", "efd", "fde"]


def table(call: int, rows: int) -> list[list[int]]:
    """The responses to a batch, by their place among those of all processes; the last ones are short."""
    generator = torch.Generator().manual_seed(call)
    ids = torch.randint(2, 12, (rows, WIDTH), generator=generator).tolist()
    return [row[: WIDTH if place < rows // 2 else 1 + place % 4] for place, row in enumerate(ids)]


class Rollout:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        rank, ranks = trainer.accelerator.process_index, trainer.accelerator.num_processes
        rows = table(self.calls, len(prompts) * ranks)[rank * len(prompts) : (rank + 1) * len(prompts)]
        self.calls += 1
        ids = trainer.processing_class(prompts)["input_ids"]
        return {"prompt_ids": ids, "completion_ids": rows, "logprobs": [[0.0] * len(row) for row in rows]}


def by_ids(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
    """A share of even tokens; none for a few, one of them in the group that straddles."""
    return [None if row[0] == 3 else sum(token % 2 == 0 for token in row) / len(row) for row in completion_ids]


def trainer_of(out: Path, ranks: int, **settings: Any) -> Any:
    given = {"rollout_func": Rollout(), **settings.pop("given", {})}
    settings = {"per_device_train_batch_size": ROWS // ranks, "seed": 3} | settings
    settings |= {"ddp_backend": "gloo"} if ranks > 1 else {}
    rows = [{"prompt": prompt} for prompt in PROMPTS]
    trainer = spro_trainer(out, reward=by_ids, rows=rows, given=given, **settings)
    moved(trainer.model)
    return trainer


def scored(trainer: Any) -> dict[str, Any]:
    trainer.model.train()
    batch = trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))
    own = {name: batch[name] for name in ("advantages", "completion_mask", "num_items_in_batch")}
    own["trained_mask"] = batch["completion_mask"] * batch.get("tool_mask", 1)
    return own | {"metrics": {name: values[0] for name, values in trainer._metrics["train"].items()}}


def main(out: Path, ranks: int) -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in ("spro", "spro_whitened", "lambda_grpo"):
        found[name] = scored(trainer_of(out / name, ranks, given={"credit": METHODS[name]()}))
    for loss_type in ("grpo", "dapo"):
        # Each process holds half of the rows, so that a mean over processes is one over rows.
        trainer = trainer_of(out / loss_type, ranks, loss_type=loss_type, max_steps=2, beta=0.04)
        trainer.train()
        found[loss_type] = dict(trainer.accelerator.unwrap_model(trainer.model).state_dict())
    try:
        trainer_of(out / "refused", ranks, given={"accuracy_filter": AccuracyFilter()})
    except ConfigError as refusal:
        found["refusal"] = str(refusal)
    found["filtered"] = scored(
        trainer_of(
            out / "filtered",
            ranks,
            given={"accuracy_filter": AccuracyFilter()},
            per_device_train_batch_size=2 * GROUP // ranks,
        )
    )
    settings = {"max_steps": 6, "save_strategy": "steps", "save_steps": 1, "learning_rate": 0.01}
    straight = trainer_of(out / "straight", ranks, **settings)
    straight.train()
    resumed = trainer_of(out / "straight", ranks, **settings)
    resumed.rollout_func.calls = 4
    resumed.train(resume_from_checkpoint=str(out / "straight" / "checkpoint-4"))
    found["straight"], found["resumed"] = (dict(one.model.state_dict()) for one in (straight, resumed))
    torch.save(found, out / f"{straight.accelerator.process_index}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(json.loads(sys.argv[2])))
