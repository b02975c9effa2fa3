import os
import subprocess
import sys

import pytest

from spro.verify.sandbox import watchdog
from spro.verify.sandbox.watchdog import Processes, Watchdog, tasks

MIB = 2**20
FAMILY = """
import os, sys
x = bytearray(b"x") * (40 * 2 ** 20)
if os.fork() == 0:
    y = bytearray(b"x") * (40 * 2 ** 20)
    print(flush=True)
    sys.stdin.read()
    os._exit(0)
sys.stdin.read()
"""


@pytest.fixture
def family():
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        yield process
        process.stdin.close()


def test_descendants_count_and_shared_memory_counts_once(family, monkeypatch):
    # What a test before this one has read a moment ago knows nothing of the family.
    monkeypatch.setattr(watchdog, "PROCESSES", Processes())
    assert len(Processes().tree(family.pid)) == 2
    assert sum(Processes().tree(family.pid).values()) > 120 * MIB
    assert Watchdog(family.pid, 70 * MIB).is_exceeded()
    assert not Watchdog(family.pid, 119 * MIB).is_exceeded()


def test_no_such_process():
    assert Processes().tree(2**22 + 1) == {}
    assert not Watchdog(2**22 + 1, 0).is_exceeded()


def test_reading_is_shared(monkeypatch):
    reads = []
    monkeypatch.setattr(watchdog, "_read", lambda: reads.append(1) or {})
    for fresh_s, count in ((1000.0, 1), (-1.0, 50)):
        monkeypatch.setattr(watchdog, "_FRESH_S", fresh_s)
        reads.clear()
        processes = Processes()
        for _ in range(50):
            processes.tree(1)
        assert len(reads) == count


CROWD = """
import os, sys, threading
child = os.fork()
if child != 0:
    for _ in range(9):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(child, flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_tasks_are_processes_and_threads(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", CROWD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pids = {parent.pid, int(parent.stdout.readline())}
        assert pids < set(watchdog._pids())
        # Only these: others of this user come and go.
        monkeypatch.setattr(watchdog, "_pids", lambda: sorted(pids))
        counts = tasks(os.geteuid()), tasks(os.geteuid() + 1)
        parent.stdin.close()
    assert counts == (1 + 9 + 1, 0)
