"""Memory of a sandbox as a whole: limits are a process's own, and many small processes are large together."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")
_FRESH_S = 0.1


@dataclass(frozen=True, slots=True)
class _Seen:
    """One process at one moment: its parent, and its resident memory in bytes."""

    parent: int
    resident: int


class Processes:
    """All processes of the machine, read at most every ``_FRESH_S`` seconds however many sandboxes ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, _Seen] = {}
        self._at = float("-inf")

    def begin_anew(self) -> None:
        """In a fork, whose parent's threads are not there to open the lock that they held."""
        self._lock = threading.Lock()

    def tree(self, root: int) -> dict[int, int]:
        """Resident bytes of a process and of all its descendants, by their numbers."""
        with self._lock:
            if time.monotonic() - self._at > _FRESH_S:
                self._seen = _read()
                self._at = time.monotonic()
            seen = self._seen
        children: dict[int, list[int]] = {}
        for pid, process in seen.items():
            children.setdefault(process.parent, []).append(pid)
        found: dict[int, int] = {}
        front = [root] if root in seen else []
        while front:
            pid = front.pop()
            found[pid] = seen[pid].resident
            front += children.get(pid, ())
        return found


PROCESSES = Processes()
os.register_at_fork(after_in_child=PROCESSES.begin_anew)


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Tells when a process and its descendants hold too much memory.

    Attributes:
        pid: of the process.
        limit_bytes: resident memory that all of them may hold together.
    """

    pid: int
    limit_bytes: int

    def is_exceeded(self) -> bool:
        """Whether they hold more than they may; memory that they share is counted once where the system tells."""
        tree = PROCESSES.tree(self.pid)
        if sum(tree.values()) <= self.limit_bytes:
            return False
        # Forks share most of what they seem to hold. The exact account is slow, so it is asked for last; and twice,
        # since what a process shares falls to the next one when it ends amid the count.
        return all(sum(_proportional(*process) for process in tree.items()) > self.limit_bytes for _ in range(2))


def tasks(uid: int) -> int:
    """Number of processes and threads that a user runs, as the system counts them against a limit."""
    count = 0
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == uid:
                count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def _read() -> dict[int, _Seen]:
    found = {}
    for pid in _pids():
        with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/stat", "rb") as file:
            # The name in brackets may hold anything; the fields behind it begin with the third.
            fields = file.read().rpartition(b")")[2].split()
            found[pid] = _Seen(int(fields[1]), int(fields[21]) * _PAGE)
    return found


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _proportional(pid: int, otherwise: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0 if _is_gone(pid) else otherwise
    except OSError:
        return otherwise


def _is_gone(pid: int) -> bool:
    """Whether a process holds no memory any more; some kernels have no exact account of one that does."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) == 0
    return True
