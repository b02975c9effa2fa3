"""Runs the real command line in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.waiting import wait_for

HANGS = 1800.0
"""Seconds after which a process hangs, however slow its machine."""


def spro(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "spro.cli", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS,
    )


SMALL = (
    "train.steps=3",
    "train.prompts_per_step=4",
    "train.micro_batch_tokens=512",
    "rollout.max_response_length=24",
    "optimizer.learning_rate=1e-3",
)


def await_steps(process: "subprocess.Popen[Any]", run: Path, steps: int = 2) -> None:
    """Wait until a run has logged so many steps behind its begin, or is over."""
    metrics = run / "metrics.jsonl"
    wait_for(
        lambda: process.poll() is not None or (metrics.is_file() and metrics.read_bytes().count(b"\n") > steps), HANGS
    )
