"""Every credit method of the registry trains the lab task through the command line, or says what it lacks."""

import json
from pathlib import Path

import pytest

from spro.credit import METHODS
from tests.e2e.command import spro

SMALL = (
    "train.steps=5", "train.prompts_per_step=2", "task.train_problems=32", "task.held_out_problems=4",
    "rollout.max_response_length=24", "evaluate.every=0", "vine.samples=1", "optimizer.learning_rate=1e-3",
)  # fmt: skip
JUDGED = {name for name, method in METHODS.items() if "step_rewards" in method.needs}


@pytest.mark.parametrize("name", sorted(METHODS.keys() - JUDGED))
def test_a_method_trains_for_five_steps(name: str, tmp_path: Path) -> None:
    done = spro("train", f"credit.type={name}", *SMALL, "run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(6))
    assert all(line["grad_norm"] > 0 for line in lines[1:])
    assert all(line["skipped_updates"] == 0 for line in lines[1:])


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_a_method_that_needs_a_judge_says_so(name: str, tmp_path: Path) -> None:
    required = ["credit.max_response_length=24"] if name == "pure_return_baseline" else []
    done = spro("train", f"credit.type={name}", *required, *SMALL, "run_dir=run", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs step_rewards, which this trainer cannot make" in done.stderr
    assert not (tmp_path / "run").exists()
