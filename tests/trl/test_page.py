"""The code of docs/trl.md runs."""

import re
from pathlib import Path
from typing import Any

from datasets import Dataset
from tiny import by_letters, llama, tokenizer
from trl import GRPOConfig

from spro.credit import SPRO
from spro.plugins.trl import AccuracyFilter, SPROTrainer

PAGE = (Path(__file__).parents[2] / "docs" / "trl.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)


def test_the_papers_settings_are_taken_and_add_up_to_256_prompts(tmp_path: Path) -> None:
    made: dict[str, Any] = {}

    def config(**settings: Any) -> GRPOConfig:
        made.update(settings)
        here = {"output_dir": str(tmp_path), "use_cpu": True, "bf16": False, "report_to": []}
        return GRPOConfig(**(settings | here))

    block = BLOCKS[1].replace("SPROTrainer(..., config", "SPROTrainer(model, reward, config, train_dataset=data")
    names = {"GRPOConfig": config, "SPROTrainer": SPROTrainer, "AccuracyFilter": AccuracyFilter, "SPRO": SPRO}
    data = Dataset.from_list([{"prompt": "abc"}] * 64)
    names |= {"model": llama(), "reward": by_letters, "data": data}
    block = block.replace("credit=", "processing_class=tokenizer(), credit=")
    exec(block, names | {"tokenizer": tokenizer})  # noqa: S102 - the page's own words
    of_all = made["per_device_train_batch_size"] * made["gradient_accumulation_steps"] * 8
    assert of_all == 256 * made["num_generations"]


def test_the_example_names_what_there_is() -> None:
    for line in BLOCKS[0].splitlines():
        if line.startswith("from "):
            exec(line)  # noqa: S102 - the page's own words
