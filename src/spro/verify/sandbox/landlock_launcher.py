"""Starts a command under Landlock, stays with it, and ends all that came of it. Runs outside spro, by its text alone.

``python -I -S -B -c TEXT OPTIONS COMMAND...``; the options are those of ``LandlockCage.start``, as JSON.

Two domains of Landlock, one in the other. This process enters the outer one, which says only that signals stay inside;
the command enters the inner one, with all the rest. So the command cannot signal this process, its trainer or anything
else, and ``kill(-1)`` from here reaches the command and all that came of it, at one stroke that no fork outruns, and
nothing beside: not another process of the same user, even were this one root.
"""

import base64
import contextlib
import ctypes
import json
import os
import secrets
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, TRUNCATE = 1 << 7, 1 << 8, 1 << 14
ALL_OF_FILES = (1 << 16) - 1  # what ABI 6 knows; unknown later ones stay with the owner of the files
ALL_OF_TCP = 3
ABSTRACT_SOCKETS, SIGNALS = 1, 2
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
"""Those that a rule about a file, not a folder, may name."""
LIBRARY = READ_FILE | READ_DIR
# Neither links, pipes, sockets nor devices, and nothing to execute.
WORK = READ_FILE | WRITE_FILE | READ_DIR | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE
DEVICES = {"/dev/null": READ_FILE | WRITE_FILE, "/dev/zero": READ_FILE, "/dev/urandom": READ_FILE}

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
TICK_S = 0.02
MAX_ENTRIES = 4096
KILL_S = 5.0
CANNOT_CONFINE = 125
"""Exit code when the command was not started, for a reason on standard error."""

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock that the kernel speaks; 0 where there is none."""
    return max(0, int(_libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))))


def main() -> None:
    """Confine, start, watch, end."""
    options, command = json.loads(sys.argv[1]), sys.argv[2:]
    ending = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending | {signal.SIGCHLD})
    code = CANNOT_CONFINE
    try:
        keep_signals_inside(options["parent"])
        pid = os.fork()
        if pid == 0:
            become(options, command)
        give_up_the_pipes()
        work_as(options["uid"])
        code = watch(pid, options, ending)
    except OSError as error:
        print(f"landlock: {error}", file=sys.stderr, flush=True)
    finally:
        end_all()
        remove_tree(options["folder"])
    os._exit(code)


def keep_signals_inside(parent: int) -> None:
    """Enter the outer domain, and take in what the command will orphan."""
    check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "child subreaper")
    check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    restrict(struct.pack("=QQQ", 0, 0, SIGNALS), {})
    # Shown, not believed: kill(-1) will follow.
    with contextlib.suppress(PermissionError):
        os.kill(parent, 0)
        raise OSError("the kernel lets signals out")


def become(options: Mapping[str, Any], command: list[str]) -> NoReturn:
    """Confine this process and turn it into the command."""
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        rules = dict.fromkeys(options["folders"], LIBRARY)
        rules |= dict.fromkeys(options["programs"], READ_FILE | EXECUTE) | DEVICES | {options["folder"]: WORK}
        if options["uid"] is not None:
            os.setgroups([])
            os.setresgid(*[options["uid"]] * 3)
            os.setresuid(*[options["uid"]] * 3)
        # After the change of user, which clears it.
        check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "death signal")
        os.chdir(options["folder"])
        restrict(struct.pack("=QQQ", ALL_OF_FILES, ALL_OF_TCP, ABSTRACT_SOCKETS | SIGNALS), rules)
        for text in options["filters"]:
            filter_calls(base64.b64decode(text))
        os.execve(command[0], command, options["environment"])
    except BaseException as error:
        os.write(2, f"landlock: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(CANNOT_CONFINE)


def restrict(attributes: bytes, rules: Mapping[str, int]) -> None:
    """Enter a domain.

    Args:
        attributes: ``struct landlock_ruleset_attr``, what is denied.
        rules: path to the rights on it and below that stay.
    """
    ruleset = check(_libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock ruleset")
    for path, rights in rules.items():
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            rights &= FILE_RIGHTS
        rule = struct.pack("=Qi", rights, target)
        check(_libc.syscall(ADD_RULE, ruleset, 1, rule, 0), f"landlock rule for {path}")
        os.close(target)
    check(_libc.syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


def filter_calls(program: bytes) -> None:
    """Install a filter of system calls, an array of ``struct sock_filter``."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer)))
    check(_libc.prctl(PR_SET_SECCOMP, 2, header, 0, 0), "system call filter")


def check(result: int, what: str) -> int:
    """The result of a call of the C library.

    Raises:
        OSError: it failed.
    """
    if result < 0:
        raise OSError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def give_up_the_pipes() -> None:
    """Their other ends are the trainer's, who waits for the command to close them."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)


def watch(pid: int, options: Mapping[str, Any], ending: set[signal.Signals]) -> int:
    """Until the command ends, the trainer is gone or asks for the end, or the folder is too full."""
    while True:
        seen = signal.sigtimedwait(ending | {signal.SIGCHLD}, TICK_S)
        for child, status in reaped():
            if child == pid:
                return os.waitstatus_to_exitcode(status) & 0xFF
        # A signal on a parent's death would come when the thread that started this ends.
        if (seen and seen.si_signo in ending) or os.getppid() != options["parent"]:
            return CANNOT_CONFINE
        if used_bytes(options["folder"], options["file_bytes"]) > options["folder_bytes"]:
            return CANNOT_CONFINE


def work_as(uid: int | None) -> None:
    """Look at files, and at what processes hold, with the command's rights: root in a container may lack its own."""
    if uid is not None:
        _libc.setfsgid(uid)
        _libc.setfsuid(uid)


def reaped() -> Iterator[tuple[int, int]]:
    """Number and status of each child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def end_all() -> None:
    """Kill all that came of the command, until nothing is left; it all comes to this process in the end."""
    end = time.monotonic() + KILL_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def used_bytes(folder: str, file_bytes: int) -> int:
    """On disk, at least: what lies in the folder, and what was deleted there and is still held."""
    total, entries, folders = 0, 0, [folder]
    try:
        while folders:
            for entry in entries_of(folders.pop()):
                entries += 1
                if entries > MAX_ENTRIES:
                    return sys.maxsize
                # It may be gone by now; the others are not.
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    except OSError:
        # Closed to its own user, or too deep: what it holds cannot be known, so it holds too much.
        return sys.maxsize
    return total + sum(held_bytes(pid, folder, file_bytes) for pid in descendants())


def entries_of(folder: str) -> Iterator["os.DirEntry[str]"]:
    """What is in a folder; nothing once that is gone."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as found:
        yield from found


def held_bytes(pid: int, folder: str, file_bytes: int) -> int:
    """Of deleted files that a process has open or mapped."""
    total = 0
    seen: set[int] = set()
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            status = os.stat(f"/proc/{pid}/fd/{fd}")
            if status.st_nlink == 0 and status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * 512
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", errors="replace") as maps:
        # How long the file is that a mapping still holds does not show.
        total += file_bytes * sum(folder in line and line.endswith(" (deleted)\n") for line in maps)
    return total


def descendants() -> list[int]:
    """All processes that came of this one."""
    found, waiting = [], [os.getpid()]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children") as file:
                    waiting += map(int, file.read().split())
            found.append(pid)
    return found[1:]


def remove_tree(folder: str) -> None:
    """Remove a folder however deep it is, which ``shutil.rmtree`` does by recursion. Nobody may be at work in it."""
    with contextlib.suppress(FileNotFoundError):
        while entries := list(os.scandir(folder)):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                for inner in list(os.scandir(entry.path)):
                    if inner.is_dir(follow_symlinks=False):
                        os.chmod(inner.path, 0o700)
                        os.rename(inner.path, os.path.join(folder, secrets.token_hex(16)))
                    else:
                        os.unlink(inner.path)
                os.rmdir(entry.path)
        os.rmdir(folder)


if __name__ == "__main__":
    main()
