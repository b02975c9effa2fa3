"""Rows in the schema of PRIME-RL/Eurus-2-RL-Data, and files of them."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

SYSTEM = "When tackling complex reasoning tasks, you have access to the following actions."
MATH_SUFFIX = "\n\nPresent the answer in LaTex format: \\boxed{Your answer}"
CODE_SUFFIX = "\n\nWrite Python code to solve the problem. Present the code in \n```python\nYour code\n```\nat the end."


def math_row(index: int, ground_truth: str | None = None) -> dict[str, Any]:
    question = f"What is {index} + {index + 1}?"
    return {
        "data_source": "numina_synthetic_math",
        "prompt": [{"content": SYSTEM, "role": "system"}, {"content": question + MATH_SUFFIX, "role": "user"}],
        "ability": "math",
        "reward_model": {"ground_truth": ground_truth or str(2 * index + 1), "style": "rule"},
        "extra_info": {"index": index, "split": "dummy"},
    }


def code_row(index: int) -> dict[str, Any]:
    tests = json.dumps({"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]})
    return {
        "data_source": "codecontests",
        "prompt": [
            {"content": SYSTEM, "role": "system"},
            {"content": f"Print the sum of two numbers, exercise {index}." + CODE_SUFFIX, "role": "user"},
        ],
        "ability": "code",
        "reward_model": {"ground_truth": tests, "style": "rule"},
        "extra_info": {"index": index, "split": "dummy"},
    }


def rows(math: int = 56, code: int = 8) -> list[dict[str, Any]]:
    return [math_row(i) for i in range(math)] + [code_row(i) for i in range(code)]


def write(path: Path, items: list[dict[str, Any]]) -> Path:
    """As the suffix says."""
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(items), path, row_group_size=10)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(item) + "\n" for item in items))
    else:
        path.write_text(json.dumps(items))
    return path
