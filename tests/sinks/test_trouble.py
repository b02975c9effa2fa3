"""What is not asked for is not imported, and a full disk ends a sink and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

LIBRARIES = ("wandb", "trackio", "tensorboard", "torch.utils.tensorboard")


def python(program: str, *words: str) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_library_is_imported_before_its_sink_is_asked_for() -> None:
    program = f"import sys, spro.train.command; print([name for name in {LIBRARIES} if name in sys.modules])"
    assert python(program) == "[]\n"


FULL = """
import json, resource, sys
from pathlib import Path
from spro.config import LogConfig
from spro.sinks import build_sinks

sinks = build_sinks(LogConfig(sinks=("tensorboard",)), Path(sys.argv[1]), {})
lines = []
sinks.open([], lines.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for step in range(2000):
    sinks.log(step, {"loss": step / 3, "kl": None})
sinks.close()
print(json.dumps(lines))
"""


def test_a_full_disk_is_told_once(tmp_path: Path) -> None:
    """A file may not grow beyond some size, which a disk that is full says in the same way."""
    where, lost = json.loads(python(FULL, str(tmp_path)))
    assert where.startswith("tensorboard: ")
    assert lost.startswith("tensorboard failed at step ")
    assert "File too large" in lost
    assert "metrics.jsonl has everything" in lost
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert 19_000 < file.stat().st_size <= 20_000
