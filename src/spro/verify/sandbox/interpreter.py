"""The interpreter that runs programs in a sandbox: the trainer's own, without the trainer's packages."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from spro.errors import SandboxError

SYSTEM = "/usr"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Where an interpreter lives.

    Attributes:
        executable: its real path, no link and not inside a virtual environment.
        folders: real paths of what it needs to run, beside ``/usr`` and the system's libraries; none inside another.
    """

    executable: str
    folders: tuple[str, ...]

    def barrier(self) -> str | None:
        """The folder on the way to the interpreter that other users may not enter, if there is one."""
        for folder in self.folders:
            for ancestor in [*reversed(Path(folder).parents), Path(folder)]:
                if not ancestor.stat().st_mode & 0o001:
                    return str(ancestor)
        return None


def interpreter() -> Interpreter:
    """The one that runs this.

    Raises:
        SandboxError: it lives in the root of the file system, so it cannot be shown without all the rest.
    """
    # In a virtual environment, the name of the one that it was made from.
    executable = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    needed = {os.path.realpath(prefix) for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    if not any(_is_inside(executable, folder) for folder in needed):
        needed.add(os.path.dirname(executable))
    if "/" in needed:
        raise SandboxError(f"the interpreter {executable} has the whole file system for its prefix")
    outer = {a for a in needed if not _is_inside(a, SYSTEM) and not any(a != b and _is_inside(a, b) for b in needed)}
    return Interpreter(executable, tuple(sorted(outer)))


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
