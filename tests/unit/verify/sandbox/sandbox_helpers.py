"""Cages that do not confine, or do not run, and looking at what a run leaves behind."""

import os
import subprocess

from tests.open_copy import open_copy

from spro.verify.sandbox import Job, Level, Limits, RunStatus
from spro.verify.sandbox.interpreter import interpreter
from spro.verify.sandbox.plain import PlainCage

ROOMY = Limits(cpu_s=20, wall_s=60.0)
PATIENT = Limits(wall_s=300.0, total_s=900.0)
"""For what ends long before, unless the sandbox waits for what it should not."""


def run_one(sandbox, source, given=b"", limits=ROOMY):
    (run,) = sandbox.run(Job(source, (given,)), limits)
    return run


def call(sandbox, source, *arguments, limits=ROOMY):
    (run,) = sandbox.run(Job(source, (arguments,), "f"), limits)
    return run


def output(sandbox, source, given=b"", limits=ROOMY):
    run = run_one(sandbox, source, given, limits)
    assert run.status is RunStatus.FINISHED, run
    return run.stdout


def descriptors():
    return set(os.listdir("/proc/self/fd"))


class OpenCage(PlainCage):
    """Claims to confine."""

    level = Level.BUBBLEWRAP


class CommandCage(PlainCage):
    """Runs some other command in the place of the driver."""

    level = Level.LANDLOCK

    def __init__(self, *command):
        super().__init__()
        self.command = command
        self.starts = 0

    def start(self, command, limits, uid):
        self.starts += 1
        return super().start(self.command, limits, None)


# The interpreter may lie in a folder that only root can enter: show it in a namespace of this command only.
_COVER = (
    'mount --bind "$0" /mnt && mount -t tmpfs -o mode=755 tmpfs "$1" && mkdir -p "$0" && mount --bind /mnt "$0"'
    ' && shift && exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"'
)


def run_as_nobody(script, **options):
    """Run a Python script as a user without rights; root only."""
    found = interpreter()
    line = [found.executable, "-B", "-c", script]
    barrier = found.barrier()
    if barrier is not None:
        line = ["unshare", "--mount", "--", "sh", "-c", _COVER, found.folders[0], barrier, *line]
    else:
        options |= {"user": 65534, "group": 65534, "extra_groups": ()}
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(open_copy())}
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120, **options)
