"""Sandboxes that do not come up, or are not what they say, and trainers that go while a program runs."""

import contextlib
import itertools
import secrets
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sandbox_helpers import CommandCage, output, run_one
from tests.waiting import is_alive, wait_for

from spro.errors import SandboxError
from spro.verify.sandbox import Job, RunStatus, Sandbox, runner
from spro.verify.sandbox import sandbox as sandbox_module
from spro.verify.sandbox.watchdog import Processes

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_a_run_outlives_no_exception(sandbox, monkeypatch):
    """Control-C amid a run leaves no process and no descriptor; the fixture looks for them."""
    monkeypatch.setattr(runner._Exchange, "_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_one(sandbox, "import time; time.sleep(60)")


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("/bin/true",), r"exit code 0\): it said nothing"),
        (("/bin/sh", "-c", "echo first >&2; echo bwrap: no space >&2; exit 1"), r"exit code 1\): bwrap: no space"),
        (("/bin/sh", "-c", "head -c 100 /dev/zero"), "nonsense"),
        (("/bin/sh", "-c", "head -c 9999999 /dev/urandom"), "sandbox did not start"),
        (("/bin/sh", "-c", r"printf '\000\000\000\002[]'"), "nonsense"),
        (("/bin/sh", "-c", r"printf '\000\000\000\002{}'"), "out of turn"),
        (("/bin/sh", "-c", r"""printf '\000\000\000\017{"at": "ready"}'; exit 5"""), "exit code 5"),
        (("/nonexistent",), "No such file"),
    ],
)
def test_a_sandbox_that_does_not_come_up(monkeypatch, command, cause):
    monkeypatch.setattr(sandbox_module, "_PAUSE_S", 0.01)
    cage = CommandCage(*command)
    with pytest.raises(SandboxError, match=cause) as caught:
        run_one(Sandbox(cage, ""), "print(1)", bytes(10**6))
    assert "\n" not in str(caught.value)
    assert cage.starts == 2


def test_a_sandbox_that_never_comes_up(monkeypatch, caplog):
    monkeypatch.setattr(sandbox_module, "_PAUSE_S", 0.01)
    # A clock of its own, which a machine that stands still does not move: nobody is waited for in between.
    clock = itertools.count(step=0.0625)
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(runner, "START_S", 1.0)
    monkeypatch.setattr(runner, "_LONG_S", 0.2)
    with pytest.raises(SandboxError, match=r"did not start within 1 s"):
        run_one(Sandbox(CommandCage("/bin/sleep", "60"), ""), "print(1)")
    notices = [record for record in caplog.records if "waiting for a sandbox to start" in record.message]
    # Two starts, and each says so again and again.
    assert len(notices) >= 4
    assert {record.levelname for record in notices} == {"WARNING"}


BEGUN = r"""printf '\000\000\000\017{"at": "ready"}\000\000\000\017{"at": "begin"}'; """


@pytest.mark.parametrize(
    "reply",
    [
        "exit 1",
        r"printf '\377\377\377\377'",
        r"printf '\000\000\000\002{}\000\000\000\000\000\000\000\000'",
        r"""printf '\000\000\000\017{"status":"odd"}\000\000\000\000\000\000\000\000'""",
        r"printf '\000\000\000\002{}\100\000\000\000'",
        "head -c 1000000 /dev/zero | tr '\\0' '['",
    ],
)
def test_forged_replies_are_the_programs_doing(reply):
    sandbox = Sandbox(CommandCage("/bin/sh", "-c", BEGUN + reply), "")
    runs = sandbox.run(Job("print(1)", (b"", b"")))
    assert [run.status for run in runs] == [RunStatus.LOST] * 2


def test_a_driver_that_hears_nothing_costs_no_time(monkeypatch):
    # Counted, not timed: who does not wait turns many thousand times in these seconds, on the slowest of machines too.
    turns, real = [], runner._Exchange._move
    monkeypatch.setattr(runner._Exchange, "_move", lambda *words: turns.append(1) or real(*words))
    sandbox = Sandbox(CommandCage("/bin/sh", "-c", BEGUN + "exec 0<&-; sleep 3"), "")
    (run,) = sandbox.run(Job("print(1)", (bytes(10**6),)))
    assert run.status is RunStatus.LOST
    assert len(turns) < 300


def test_a_retry_may_help(sandbox, monkeypatch, caplog):
    monkeypatch.setattr(sandbox_module, "_PAUSE_S", 0.01)
    failures = iter([SandboxError("busy")])

    def run_job(*arguments):
        for error in failures:
            raise error
        return real(*arguments)

    real = sandbox_module.run_job
    monkeypatch.setattr(sandbox_module, "run_job", run_job)
    assert output(sandbox, "print(1)") == b"1\n"
    assert "busy; once more" in caplog.messages


TRAINER = """
import sys
from spro.verify.sandbox import Job, Limits, Sandbox
from spro.verify.sandbox.bubblewrap import BubblewrapCage
name = sys.argv[1]
source = f"import ctypes, os, time; ctypes.CDLL(None).prctl(15, {name.encode()!r}); os.fork(); time.sleep(300)"
Sandbox(BubblewrapCage(), "").run(Job(source, (b"",)), Limits(wall_s=300.0, total_s=300.0))
"""


def named(name):
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text(errors="replace").strip() == name:
                found.append(int(entry.name))
    return found


@pytest.mark.usefixtures("sandbox")
def test_sandboxes_die_with_the_trainer():
    name = f"spro-{secrets.token_hex(4)}"
    with subprocess.Popen([sys.executable, "-B", "-c", TRAINER, name]) as trainer:
        try:
            # Far from its end: the program sleeps for minutes.
            programs = wait_for(lambda: found if len(found := named(name)) == 2 else [])
            everything = Processes().tree(trainer.pid)
            assert set(programs) < set(everything)
        finally:
            trainer.kill()
    wait_for(lambda: not any(map(is_alive, everything)))
