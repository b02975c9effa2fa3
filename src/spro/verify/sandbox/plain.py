"""The level that confines nothing, for people who know what they do, and for tests of the other ones."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from spro.errors import SandboxError
from spro.verify.sandbox.cage import ENVIRONMENT, Level, kill
from spro.verify.sandbox.job import Limits
from spro.verify.verdict import one_line


class PlainCage:
    """Starts commands as they are, in a folder of their own."""

    level = Level.NONE
    owns_signals = False
    owns_count = False
    owns_folder = False

    def __init__(self) -> None:
        self._folders: dict[int, str] = {}

    def start(self, command: Sequence[str], limits: Limits, uid: int | None) -> "subprocess.Popen[bytes]":
        """See ``Cage``."""
        folder = ""
        try:
            folder = tempfile.mkdtemp(prefix="spro-sandbox-")
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=ENVIRONMENT | {"HOME": folder, "TMPDIR": folder},
                process_group=0,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise SandboxError(one_line(f"cannot start a program: {error}")) from error
        self._folders[process.pid] = folder
        return process

    def end(self, process: "subprocess.Popen[bytes]", uid: int | None) -> None:
        """See ``Cage``."""
        kill(process)
        folder = self._folders.pop(process.pid, "")
        shutil.rmtree(folder, ignore_errors=True)
