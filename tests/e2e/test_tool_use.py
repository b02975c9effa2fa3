"""The lab task with a calculator through the command line: what the tool wrote is marked to the last page."""

import json
from pathlib import Path

import pytest

from tests.e2e.command import spro

QUICK = (
    "task.type=calculator",
    "task.held_out_problems=16",
    "train.steps=2",
    "train.prompts_per_step=4",
    "evaluate.every=2",
    "optimizer.learning_rate=1e-3",
)


@pytest.mark.parametrize("words", [("credit.type=spro",), ("credit.type=vineppo", "vine.samples=2")])
def test_a_policy_trains_with_a_tool(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = spro("train", *QUICK, *words, "run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2]
    assert lines[0]["eval/accuracy"] > 0.1
    for line in lines[1:]:
        assert 1 < line["tools/call_frequency"] < 10
        assert line["rollout/log_prob_diff_max"] < 1e-4
        assert line["grad_norm"] > 0
    samples = [json.loads(line) for line in (run / "rollouts/step-000002.jsonl").read_text().splitlines()]
    for sample in samples:
        assert any(is_written is False for is_written in sample["response_mask"])
        for token, is_written, advantage in zip(
            sample["tokens"], sample["response_mask"], sample["advantages"], strict=True
        ):
            assert is_written or token in "0123456789!;"
            assert is_written or advantage == 0
    assert "written by a tool" in (run / "report.html").read_text()
