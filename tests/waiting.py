"""Waiting for what another process does, and looking at processes through /proc."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Seen = TypeVar("Seen")


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
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(parent: int | None = None) -> set[int]:
    """Numbers of the children of a process, zombies too; of this one unless another is named."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        # The name in brackets may hold spaces; the parent is the second field behind it.
        if int(stat.rpartition(")")[2].split()[1]) == (parent or os.getpid()):
            found.add(int(entry.name))
    return found
