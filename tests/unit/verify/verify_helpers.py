"""The worker that misbehaves on demand."""

from pathlib import Path

ODD_WORKER = str(Path(__file__).with_name("odd_worker.py"))
