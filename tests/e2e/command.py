"""Runs the real command line in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def spro(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "spro.cli", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


SMALL = (
    "train.steps=3",
    "train.prompts_per_step=4",
    "train.micro_batch_tokens=512",
    "rollout.max_response_length=24",
    "optimizer.learning_rate=1e-3",
)
