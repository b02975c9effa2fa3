"""Waiting for what another process does, and looking at processes through /proc."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Seen = TypeVar("Seen")
DEAD = (b"Z", b"X")
"""States of processes that have ended and are not collected yet."""


def wait_for(look: Callable[[], Seen], seconds: float = 60.0) -> Seen:
    """What a look saw, once that is true; what holds at one moment may not hold at the next.

    Args:
        look: taken again and again.
        seconds: after which a test that waits has failed, however slow its machine.
    """
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return seen


def is_alive(pid: int) -> bool:
    try:
        return _stat(Path(f"/proc/{pid}"))[0] not in DEAD
    except OSError:
        return False


def children(parent: int | None = None) -> set[int]:
    """Numbers of the children of a process, zombies too; of this one unless another is named."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            is_child = int(_stat(entry)[1]) == (parent or os.getpid())
        except OSError:
            continue
        if is_child:
            found.add(int(entry.name))
    return found


def of_session(number: int) -> list[str]:
    """The commands of the living processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = _stat(entry)
            if int(fields[3]) == number and fields[0] not in DEAD:
                found.append((entry / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found


def _stat(folder: Path) -> list[bytes]:
    """The state of a process, the numbers of its parent, group and session, and so on."""
    # Behind the name in brackets, which is the process's own to choose: spaces, brackets, and what is no text.
    return (folder / "stat").read_bytes().rpartition(b")")[2].split()
