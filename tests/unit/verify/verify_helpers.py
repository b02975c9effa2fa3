"""Looking at processes through /proc, and the worker that misbehaves on demand."""

import os
from pathlib import Path

ODD_WORKER = str(Path(__file__).with_name("odd_worker.py"))


def children() -> set[int]:
    """Numbers of this process's children, zombies too."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        # The name in brackets may hold spaces; the parent is the second field behind it.
        if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
            found.add(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
