import os
import subprocess
import sys
import threading

import pytest
from tests.waiting import wait_for

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


def test_descendants_count_and_shared_memory_counts_once(family):
    assert len(Processes().tree(family.pid)) == 2
    assert sum(Processes().tree(family.pid).values()) > 120 * MIB
    assert Watchdog(family.pid, 70 * MIB).is_exceeded()
    assert not Watchdog(family.pid, 119 * MIB).is_exceeded()


def test_no_such_process():
    assert Processes().tree(2**22 + 1) == {}
    assert not Watchdog(2**22 + 1, 0).is_exceeded()


def test_reading_is_shared(monkeypatch):
    reads = []
    from spro.verify.sandbox import watchdog

    monkeypatch.setattr(watchdog, "_read", lambda: reads.append(1) or {})
    processes = Processes()
    for _ in range(50):
        processes.tree(1)
    assert len(reads) < 5


def test_tasks_are_processes_and_threads():
    before = tasks(os.geteuid())
    assert before >= 1
    release = threading.Event()
    threads = [threading.Thread(target=release.wait) for _ in range(50)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: tasks(os.geteuid()) >= before + 25)
    finally:
        release.set()
        for thread in threads:
            thread.join()
