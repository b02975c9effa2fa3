"""What a run leaves behind is ended with it, however it left."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest
from launch import kept

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(float(sys.argv[2]))
sys.exit(7)
"""


def daemon_of(path: Path) -> psutil.Process:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return psutil.Process(int(path.read_text()))


@pytest.mark.parametrize(("seconds", "code"), [(0.5, 7), (600.0, None)], ids=["it ends", "it takes too long"])
def test_a_daemon_of_a_daemon_is_ended(tmp_path: Path, seconds: float, code: int | None) -> None:
    file = tmp_path / "pid"
    with kept(tmp_path, [sys.executable, "-c", DAEMON, str(file), str(seconds)], dict(os.environ)) as run:
        daemon = daemon_of(file)
        assert daemon.is_running()
        assert run.wait(3).returncode == code
    assert not daemon.is_running()
