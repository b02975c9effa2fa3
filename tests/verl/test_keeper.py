"""What a run leaves behind is ended with it, however it left."""

import os
import sys
from pathlib import Path

import psutil
import pytest
from launch import TIMEOUT, kept
from tests.waiting import wait_for

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
sys.exit(7)
"""


def daemon_of(path: Path) -> psutil.Process:
    return psutil.Process(int(wait_for(lambda: path.exists() and path.read_text(), TIMEOUT)))


@pytest.mark.parametrize("ends", [True, False], ids=["it ends", "it takes too long"])
def test_a_daemon_of_a_daemon_is_ended(tmp_path: Path, ends: bool) -> None:
    file, leave = tmp_path / "pid", tmp_path / "leave"
    with kept(tmp_path, [sys.executable, "-c", DAEMON, str(file), str(leave)], dict(os.environ)) as run:
        daemon = daemon_of(file)
        assert daemon.is_running()
        if ends:
            leave.touch()
            assert run.wait().returncode == 7
            assert not daemon.is_running()
        else:
            assert run.wait(0.1).returncode is None
    assert not daemon.is_running()
