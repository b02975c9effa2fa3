"""The strongest level: namespaces of its own and none of the host's files, by the program ``bwrap``."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence

from spro.errors import SandboxError
from spro.verify.sandbox import seccomp
from spro.verify.sandbox.cage import ENVIRONMENT, Level, kill
from spro.verify.sandbox.interpreter import SYSTEM, interpreter
from spro.verify.sandbox.job import Limits
from spro.verify.sandbox.uids import FIRST
from spro.verify.verdict import one_line

_FOLDER = "/tmp"
_LIBRARIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PROBE_S = 30.0

# Root's own folder, where interpreters like to live, is closed to the user that a sandbox runs as. In a namespace that
# dies with this command, the interpreter itself takes the place of the closed folder; the host sees nothing of it.
_UNDER_COVER = 'mount --bind "$0" "$1" && shift && exec "$@"'


class BubblewrapCage:
    """Starts commands under ``bwrap``.

    Raises:
        SandboxError: it is not installed, or no system call filter is known for this machine.
    """

    level = Level.BUBBLEWRAP
    owns_signals = True
    owns_count = True
    owns_folder = True

    def __init__(self) -> None:
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxError("bwrap is not installed")
        self._program = program
        self._interpreter = interpreter()
        self._barrier = self._interpreter.barrier() if os.geteuid() == 0 else None
        folders = self._interpreter.folders
        # The cover has the shape of one folder, and that must be open itself.
        if self._barrier is not None and (len(folders) != 1 or self._barrier == folders[0]):
            raise SandboxError(f"the interpreter is in {self._barrier}, which no other user may enter")
        self._filter = seccomp.program()
        # Refused by some hosts that allow all the rest; the filter denies namespaces too.
        self._extras = ("--disable-userns",) if self._knows("--disable-userns") else ()

    def start(self, command: Sequence[str], limits: Limits, uid: int | None) -> "subprocess.Popen[bytes]":
        """See ``Cage``."""
        reader, writer = os.pipe()
        try:
            try:
                # Some kilobytes, which a pipe holds.
                os.write(writer, self._filter)
            finally:
                os.close(writer)
            arguments = ["--seccomp", str(reader), *self._extras, *self._arguments(limits)]
            return self._popen(arguments, command, uid, reader)
        except OSError as error:
            raise SandboxError(one_line(f"cannot start bwrap: {error}")) from error
        finally:
            os.close(reader)

    def end(self, process: "subprocess.Popen[bytes]", uid: int | None) -> None:
        """See ``Cage``."""
        # The group holds what bwrap has not detached yet; what it has dies with it, for that is its promise.
        kill(process)

    def _popen(
        self, arguments: Sequence[str], command: Sequence[str], uid: int | None, reader: int
    ) -> "subprocess.Popen[bytes]":
        folders, barrier = self._interpreter.folders, self._barrier if uid is not None else None
        sources = folders if barrier is None else (barrier,)
        shown = [word for pair in zip(sources, folders, strict=True) for word in ("--ro-bind", *pair)]
        line = [self._program, *shown, *arguments, "--", *command]
        if uid is not None:
            # Not by Popen, which would have to copy the page tables of a large trainer for that.
            line = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--", *line]
        if barrier is not None:
            line = ["unshare", "--mount", "--", "sh", "-c", _UNDER_COVER, folders[0], barrier, *line]
        return subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env={"PATH": f"{os.defpath}:/usr/sbin:/sbin"},
            pass_fds=(reader,),
            process_group=0,
        )

    def _arguments(self, limits: Limits) -> list[str]:
        line = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        line += ["--clearenv", "--setenv", "HOME", _FOLDER, "--setenv", "TMPDIR", _FOLDER]
        for name, value in ENVIRONMENT.items():
            line += ["--setenv", name, value]
        line += ["--ro-bind", SYSTEM, SYSTEM]
        for path in _LIBRARIES:
            if os.path.islink(path):
                line += ["--symlink", os.readlink(path), path]
            elif os.path.isdir(path):
                line += ["--ro-bind", path, path]
        # The loader's index: without it, libraries in unusual folders are not found.
        line += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
        line += ["--size", str(limits.folder_bytes), "--tmpfs", _FOLDER, "--chdir", _FOLDER]
        for device in _DEVICES:
            line += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        # No /proc at all: through it, root's sandbox could set what the host's kernel runs.
        return [*line, "--remount-ro", "/"]

    def _knows(self, option: str) -> bool:
        line = [self._program, "--unshare-user", option, "--ro-bind", "/", "/", "--", "true"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            uid = FIRST if os.geteuid() == 0 else None
            groups = None if uid is None else ()
            tried = subprocess.run(
                line, capture_output=True, timeout=_PROBE_S, cwd="/", user=uid, group=uid, extra_groups=groups
            )
            return tried.returncode == 0
        return False
