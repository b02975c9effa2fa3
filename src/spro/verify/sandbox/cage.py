"""What a level of confinement has in common with the others: it starts one command and ends all that came of it."""

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from spro.verify.sandbox.job import Limits

_logger = logging.getLogger("spro.verify")
_END_S = 10.0


class Level(StrEnum):
    """How well a program is confined."""

    BUBBLEWRAP = "bubblewrap"
    """Namespaces of its own, none of the host's files, system calls filtered, no privileges."""
    LANDLOCK = "landlock"
    """The host's namespaces; files, system calls and privileges are restricted."""
    NONE = "none"
    """Resource limits only; the program can do whatever the trainer can."""


ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    # The order of sets is part of some outputs; the same program must get the same verdict twice.
    "PYTHONHASHSEED": "0",
}
"""All variables of a sandbox, but for ``HOME`` and ``TMPDIR``, which name its working folder."""


class Cage(Protocol):
    """One way to confine a command. Any thread may use it, for several commands at the same time."""

    @property
    def level(self) -> Level:
        """Which one it is."""
        ...

    @property
    def owns_signals(self) -> bool:
        """Whether ``kill(-1)`` by the command reaches processes of this start only; it then ends a test's leftovers."""
        ...

    @property
    def owns_folder(self) -> bool:
        """Whether the working folder is a file system of its own, so that its files can be counted."""
        ...

    @property
    def owns_count(self) -> bool:
        """Whether the system counts processes of this start only against its limit of processes."""
        ...

    def start(self, command: Sequence[str], limits: Limits, uid: int | None) -> subprocess.Popen[bytes]:
        """Start a command with three pipes, unbuffered, in a session or process group of its own.

        Its current folder is its working folder, the only one that it can write: empty, of ``limits.folder_bytes``
        where the level can tell; its variables are ``ENVIRONMENT``, ``HOME`` and ``TMPDIR``. The other limits are set
        by the command itself.

        Args:
            command: the interpreter's real path (``interpreter.executable``) and its arguments, one of them long.
            limits: what the command may use.
            uid: user and group to run as, held by nobody else meanwhile; ``None`` unless the trainer is root.

        Raises:
            SandboxError: it could not be started; no folder, descriptor or process is left behind.
        """
        ...

    def end(self, process: "subprocess.Popen[bytes]", uid: int | None) -> None:
        """Kill all that came of a start, collect it, and remove its folder; twice does no harm, and never waits long.

        The pipes are the caller's to close.
        """
        ...


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with its group, and collect it; twice does no harm."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        _logger.warning("process %d of a sandbox did not end within %g s of being killed", process.pid, _END_S)
