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


def of_session(number: int) -> list[str]:
    """The commands of the processes that live in a session."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # Behind the name in brackets, which is the process's own to choose and may be no text.
            fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == number and fields[0] not in (b"Z", b"X"):
                found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found
