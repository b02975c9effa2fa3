"""The fallback where a container allows no namespaces: the kernel's own denial of files, TCP and signals, by Landlock.

What it lacks beside ``bubblewrap``: the program sees the names, sizes and dates of the host's files (not their
content), the host's name and clock, and the size of its folder is watched and not fixed.
"""

import base64
import contextlib
import glob
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from spro.errors import SandboxError
from spro.verify.sandbox import landlock_filter, landlock_launcher, seccomp
from spro.verify.sandbox.cage import ENVIRONMENT, Level, kill
from spro.verify.sandbox.interpreter import SYSTEM, interpreter
from spro.verify.sandbox.job import Limits
from spro.verify.verdict import one_line

NEEDED_ABI = 6
"""The first that keeps signals and abstract sockets inside (Linux 6.12)."""
_LIBRARIES = ("/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_LOADERS = "/lib*/ld-*.so*"
_END_S = 30.0
"""Far more than the launcher takes, which ends all within seconds; killed amid that, it would leave what had orphaned
itself behind."""


class LandlockCage:
    """Starts commands under a launcher of its own.

    Raises:
        SandboxError: the kernel is too old or has Landlock switched off, or the interpreter cannot be reached.
    """

    level = Level.LANDLOCK
    # A domain keeps signals inside it, those to everyone included.
    owns_signals = True
    owns_folder = False

    def __init__(self) -> None:
        abi = landlock_launcher.abi()
        if abi < NEEDED_ABI:
            known = f"is of ABI {abi}" if abi else "is not there"
            raise SandboxError(f"Landlock {known}; ABI {NEEDED_ABI}, of Linux 6.12, is the first that keeps signals in")
        self._interpreter = interpreter()
        barrier = self._interpreter.barrier()
        if barrier is not None and os.geteuid() == 0:
            raise SandboxError(f"the interpreter is in {barrier}, which no other user may enter")
        self._launcher = Path(landlock_launcher.__file__).read_text()
        self._filters = [base64.b64encode(text).decode() for text in (seccomp.program(), landlock_filter.program())]
        self._folders: dict[subprocess.Popen[bytes], str] = {}

    @property
    def owns_count(self) -> bool:
        """Root lends a user that runs nothing else; anybody else's processes are counted together."""
        return os.geteuid() == 0

    def start(self, command: Sequence[str], limits: Limits, uid: int | None) -> "subprocess.Popen[bytes]":
        """See ``Cage``."""
        folder = None
        try:
            folder = os.path.realpath(tempfile.mkdtemp(prefix="spro-sandbox-"))
            if uid is not None:
                os.chown(folder, uid, uid)
            process = self._popen(command, limits, uid, folder)
        except OSError as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise SandboxError(one_line(f"cannot start the Landlock launcher: {error}")) from error
        self._folders[process] = folder
        return process

    def end(self, process: "subprocess.Popen[bytes]", uid: int | None) -> None:
        """See ``Cage``."""
        folder = self._folders.get(process)
        if process.returncode is None:
            # The launcher kills what it started and removes the folder; killed, it could do neither.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        kill(process)
        if folder is not None:
            with contextlib.suppress(OSError):
                landlock_launcher.remove_tree(folder)
            self._folders.pop(process, None)

    def _popen(self, command: Sequence[str], limits: Limits, uid: int | None, folder: str) -> "subprocess.Popen[bytes]":
        options = {
            "parent": os.getpid(),
            "uid": uid,
            "folder": folder,
            "folder_bytes": limits.folder_bytes,
            "file_bytes": limits.file_bytes,
            "folders": [SYSTEM, *_LIBRARIES, *self._interpreter.folders],
            "programs": [self._interpreter.executable, *map(os.path.realpath, glob.glob(_LOADERS))],
            "environment": {**ENVIRONMENT, "HOME": folder, "TMPDIR": folder},
            "filters": self._filters,
        }
        python = [self._interpreter.executable, "-I", "-S", "-B", "-c", self._launcher]
        return subprocess.Popen(
            [*python, json.dumps(options), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
        )
