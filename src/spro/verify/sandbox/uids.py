"""Users that a trainer run by root lends to sandboxes, so that nothing in them is root."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from spro.errors import SandboxError

FIRST = 61184
"""First of a range that systemd keeps for services of no fixed user, and that no account has."""
COUNT = 4096


class Uids:
    """Numbers of users, each lent to one sandbox of this machine at a time; callable from any thread.

    A number is held by a socket of a name made from it, which the kernel frees with this process however that ends:
    two trainers never share one, and no file is left behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[int] = []
        self._held: set[int] = set()

    def begin_anew(self) -> None:
        """In a fork: its parent goes on lending these numbers, and no thread is there to open a lock that one held."""
        self._lock = threading.Lock()
        self._idle = []

    @contextlib.contextmanager
    def lend(self) -> Iterator[int]:
        """One number, for the length of a ``with``.

        Raises:
            SandboxError: all are taken, or none can be held.
        """
        with self._lock:
            idle = self._idle
            uid = idle.pop() if idle else self._claim()
        try:
            yield uid
        finally:
            with self._lock:
                # Amid a fork, the parent's list: it is the parent who goes on lending this one.
                idle.append(uid)

    def _claim(self) -> int:
        busy = users()
        for uid in range(FIRST, FIRST + COUNT):
            if uid in self._held or uid in busy:
                continue
            try:
                mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            except OSError as error:
                raise SandboxError(f"no user for a sandbox: {error}") from error
            try:
                mark.bind(f"\0spro-sandbox-uid-{uid}")
            except OSError:
                mark.close()
                continue
            # Open until this process ends.
            mark.detach()
            self._held.add(uid)
            return uid
        raise SandboxError(f"all {COUNT} users from {FIRST} on are taken")


def users() -> set[int]:
    """Numbers of the users who run a process now."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    found.add(entry.stat().st_uid)
    return found
