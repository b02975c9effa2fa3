"""The targets of an escape, made anew for each program, and what shows on the host that one was reached."""

import contextlib
import ctypes
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

IPC_RMID = 0


class World:
    """Files, sockets and a process that a program is told of and must not reach.

    Args:
        uid: of the trainer; the files and the victim belong to it, as a trainer's own would.
        hint: a text in the trainer's environment, command line and files.
    """

    def __init__(self, uid, hint):
        self.nonce = secrets.token_hex(8)
        self.name = f"e{self.nonce[:6]}"
        self.key = int(self.nonce[:7], 16) | 1
        self.folder = Path(tempfile.mkdtemp(prefix="spro-world-", dir="/tmp"))
        self.hint = hint
        self.uid = uid
        self.sockets = []
        self._make_files()
        self._listen()
        # Nobody but root may be another, or needs to be: the trainer is of its own user then.
        other = {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
        self.victim = subprocess.Popen(["/bin/sleep", "600"], **other, cwd="/", start_new_session=True)

    def _make_files(self):
        self.folder.chmod(0o755)
        self.open_folder = self.folder / "open"
        self.open_folder.mkdir()
        self.secret_file = self.folder / "expected.txt"
        self.secret_file.write_text(self.hint)
        self.open_file = self.folder / "open.txt"
        self.open_file.write_text("unchanged")
        self.own_file = self.folder / "own.txt"
        self.own_file.write_text("unchanged")
        self.tool = self.folder / "tool"
        shutil.copy("/bin/true", self.tool)
        for path, mode in ((self.open_folder, 0o777), (self.open_file, 0o666), (self.tool, 0o755)):
            path.chmod(mode)
        for path in (self.open_folder, self.open_file, self.own_file, self.secret_file):
            if os.geteuid() == 0:
                os.chown(path, self.uid, self.uid)
        self._own_before = self._own_stat()

    def _own_stat(self):
        stat = self.own_file.stat()
        return stat.st_mode, stat.st_mtime_ns, stat.st_uid

    def _listen(self):
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.name),
            (socket.AF_UNIX, socket.SOCK_DGRAM, "\0d" + self.name),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "stream")),
            (socket.AF_UNIX, socket.SOCK_DGRAM, str(self.folder / "datagram")),
        ):
            listener = socket.socket(family, kind)
            listener.bind(address)
            listener.setblocking(False)
            if kind is socket.SOCK_STREAM:
                listener.listen()
            self.sockets.append((listener, kind))
        for name in ("stream", "datagram"):
            (self.folder / name).chmod(0o777)

    def described(self, pid, limits):
        """What the program is told.

        Args:
            pid: of the trainer; none for a program that runs free, which gets a harmless one in all places.
            limits: of the program, as a dictionary.
        """
        return {
            "nonce": self.nonce,
            "name": self.name,
            "secret_hint": self.hint,
            "secret_file": str(self.secret_file),
            "folder": str(self.folder),
            "open_folder": str(self.open_folder),
            "open_file": str(self.open_file),
            "own_file": str(self.own_file),
            "tool": str(self.tool),
            "pid": pid or self.victim.pid,
            "victim": self.victim.pid,
            "init": 1 if pid else self.victim.pid,
            "port": self.sockets[0][0].getsockname()[1],
            "socket": str(self.folder / "stream"),
            "datagram_socket": str(self.folder / "datagram"),
            "key": self.key,
            **limits,
        }

    @property
    def marker(self):
        """What only a program that ran, and read its input, can have printed."""
        return f"RAN {hashlib.sha256(self.nonce.encode()).hexdigest()}".encode()

    def breaches(self, patience_s):
        """What the host shows of an escape; also ends and removes it.

        Args:
            patience_s: that processes which were killed have to be gone; less than those last that mean to stay.
        """
        found = []
        for listener, kind in self.sockets:
            with contextlib.suppress(BlockingIOError):
                if kind is socket.SOCK_STREAM:
                    listener.accept()[0].close()
                else:
                    listener.recv(1)
                found.append(f"a socket of the host was reached: {listener.getsockname()!r}")
        if self.victim.poll() is not None or state_of(self.victim.pid) in "TZ":
            found.append("a process of the host was stopped or killed")
        if list(self.open_folder.iterdir()):
            found.append("a file was made on the host")
        if self.open_file.read_text() != "unchanged" or self._own_stat() != self._own_before:
            found.append("a file of the host was changed")
        planted = Path("/tmp") / self.name
        if planted.exists():
            planted.unlink()
            found.append("a file was made in /tmp")
        for pid in processes_left(self.name, patience_s):
            found.append(f"a process is left: {pid}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if is_chain(self.name):
            found.append("processes are made without end")
        if self._remove_shared_memory():
            found.append("shared memory is left")
        return found

    def _remove_shared_memory(self):
        libc = ctypes.CDLL(None)
        number = libc.shmget(self.key, 0, 0)
        if number >= 0:
            libc.shmctl(number, IPC_RMID, None)
        return number >= 0

    def close(self):
        self.victim.kill()
        self.victim.wait()
        for listener, _ in self.sockets:
            listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def processes_left(name, patience_s):
    """Those that are still there after some seconds: to die takes a large process some time."""
    end = time.monotonic() + patience_s
    while (found := list(processes_named(name))) and time.monotonic() < end:
        time.sleep(0.02)
    return found


class Witness(threading.Thread):
    """Looks for a process of some name until it is told to stop."""

    def __init__(self, name):
        super().__init__()
        self.has_seen = False
        self._name = name
        self._is_over = threading.Event()

    def run(self):
        while not self._is_over.wait(0.05) and not self.has_seen:
            self.has_seen = any(True for _ in processes_named(self._name))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self.join()


def processes_named(name):
    """Of any user; a program takes such a name by ``prctl``."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{entry}/comm").read_text(errors="replace").startswith(name):
                    yield int(entry)


def is_chain(name):
    """Whether the newest processes of the machine have this name; none of them need live long enough to be listed."""
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        newest = Path("/proc/loadavg").read_text().split()[-1]
        with contextlib.suppress(OSError):
            if Path(f"/proc/{newest}/comm").read_text(errors="replace").startswith(name):
                return True
    return False


def state_of(pid):
    """The letter that ``ps`` prints: R, S, T, Z and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
