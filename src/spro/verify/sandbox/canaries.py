"""Small programs that try what a sandbox must prevent, run once before it is trusted.

A sandbox in which nothing runs prevents everything too. So each program must also prove that it ran, by a word that is
made from a fresh number and stands nowhere in its text; and each tries something that succeeds without a sandbox.
"""

import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spro.errors import SandboxError
from spro.verify.sandbox.job import Job, Limits, RunStatus
from spro.verify.sandbox.sandbox import Sandbox
from spro.verify.verdict import one_line

_LIMITS = Limits(cpu_s=5, wall_s=30.0, total_s=60.0, memory_bytes=2**28, total_memory_bytes=2**28, processes=8)
_VARIABLE = "SPRO_CANARY"
_FORKS = 60


@dataclass(frozen=True, slots=True)
class Bait:
    """What the programs go for.

    Attributes:
        number: fresh; proves that a program ran.
        folder: open to everyone, as far as its permissions say.
        secret: content of the folder's file and of an environment variable.
        port: of a listener on the loopback interface.
        name: of a listener among the abstract sockets.
    """

    number: int
    folder: Path
    secret: str
    port: int
    name: str

    @property
    def marker(self) -> str:
        """What a program that ran prints first."""
        return str(self.number**3)


@dataclass(frozen=True, slots=True)
class Canary:
    """One program and what it must not be able to say.

    Attributes:
        what: for people, after "it can" or "it cannot".
        source: gets the bait as the JSON object ``bait``; prints the marker, and one JSON value as its last line.
        fault: reads that value; says what is wrong, or nothing.
    """

    what: str
    source: str
    fault: Callable[[Any], str | None]


_HEAD = """
import json, os, sys
bait = json.loads(sys.stdin.read())
print(bait["number"] ** 3, flush=True)
def attempt(what, *arguments):
    try:
        return repr(what(*arguments))
    except OSError as error:
        return None
"""


def _leaks(found: Any) -> str | None:
    reached = [name for name, result in found.items() if result is not None]
    return f"it reached {', '.join(reached)}" if reached else None


def _is_free(found: Any) -> str | None:
    names = {"uid": 0, "gid": 0, "may_gain": 0}
    wrong = [name for name, bad in names.items() if found[name] == bad]
    if found["capabilities"]:
        wrong.append("capabilities")
    if found["namespace"] == 0:
        wrong.append("namespace")
    return f"it has privileges: {', '.join(wrong)}" if wrong else None


CANARIES = (
    Canary(
        "files",
        """
def write(path):
    with open(path, "w") as file:
        file.write("x")
    if not path.startswith(bait["folder"]):
        os.remove(path)  # nothing is left behind where nothing is confined
    return True
print(json.dumps({
    "a secret file": attempt(lambda: open(bait["folder"] + "/secret").read()),
    "a folder of the trainer": attempt(os.listdir, bait["folder"]),
    "the trainer's disk": attempt(write, bait["folder"] + "/written"),
    "the list of users": attempt(lambda: open("/etc/passwd").read()),
    "the folder for libraries": attempt(write, os.path.dirname(os.__file__) + "/spro_canary.py"),
    "shared memory": attempt(write, "/dev/shm/spro_canary"),
}))
""",
        _leaks,
    ),
    Canary(
        "variables",
        """
found = {"an environment variable": os.environ.get(bait["variable"])}
for entry in attempt(os.listdir, "/proc") and os.listdir("/proc") or ():
    if entry.isdigit() and int(entry) not in (os.getpid(), os.getppid()):
        if attempt(lambda: open(f"/proc/{entry}/environ", "rb").read()):
            found["the environment of another process"] = entry
print(json.dumps(found))
""",
        _leaks,
    ),
    Canary(
        "network",
        """
import socket
def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(address)
        return True
print(json.dumps({
    "a port of this machine": attempt(connect, socket.AF_INET, ("127.0.0.1", bait["port"])),
    "a socket of the trainer": attempt(connect, socket.AF_UNIX, "\\0" + bait["name"]),
    "the kernel's sockets": attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 0),
}))
""",
        _leaks,
    ),
    Canary(
        "privileges",
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
capabilities = 0
header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
if libc.capget(header, sets) != 0:
    capabilities = "unknown"
elif any(sets[i] for i in (0, 1, 3, 4)):
    capabilities = "some"
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "capabilities": capabilities,
    "may_gain": libc.prctl(39, 0, 0, 0, 0),
    "namespace": libc.unshare(0x10000000),
}))
""",
        _is_free,
    ),
    Canary(
        "processes",
        f"""
import time
count = 0
try:
    for _ in range({_FORKS}):
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        count += 1
except OSError:
    pass
print(json.dumps(count))
""",
        lambda count: f"it started {count} processes" if count >= _FORKS else None,
    ),
    Canary(
        "memory",
        """
try:
    count = len(bytearray(2 ** 29))
except MemoryError:
    count = 0
print(json.dumps(count))
""",
        lambda count: f"it took {count} bytes" if count else None,
    ),
)

PROOF = Canary("arithmetic", "print(json.dumps(0))", lambda _: None)
"""Proves that programs run at all, and tries nothing."""

HONEST = Canary(
    "honest work",
    """
def library():
    import collections, heapq, math
    assert math.gcd(12, 18) == collections.Counter("a" * 6)["a"] == heapq.nlargest(1, [2, 6])[0]
def thread():
    import threading
    said = []
    one = threading.Thread(target=said.append, args=(1,))
    one.start()
    one.join()
    assert said
def fork():
    child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
def file():
    os.mkdir("folder")
    with open("folder/file", "w") as writer:
        writer.write("kept")
    with open("folder/file") as reader:
        assert reader.read() == "kept"
    os.remove("folder/file")
    os.rmdir("folder")
failures = {}
for what, task in (("use the library", library), ("start a thread", thread), ("fork", fork), ("keep a file", file)):
    try:
        task()
    except BaseException as error:
        failures[what] = f"{type(error).__name__}: {error}"
print(json.dumps(failures))
""",
    lambda failures: "; ".join(f"it cannot {what}: {why}" for what, why in failures.items()) or None,
)
"""Does what any honest program may do, and must be able to."""


def check(sandbox: Sandbox, canaries: tuple[Canary, ...]) -> None:
    """Run all canaries in a sandbox.

    Raises:
        SandboxError: one could not run, or got what it must not get; one line.
    """
    with _lay() as (bait, heard):
        for canary in canaries:
            fault = _try(sandbox, canary, bait)
            if fault and canary is HONEST:
                # Where a sandbox has no user of its own, others may have taken that one's processes for a moment.
                fault = _try(sandbox, canary, bait)
            if fault:
                raise SandboxError(one_line(f"{fault} (test of {canary.what})"))
        if canaries and heard():
            raise SandboxError("a program reached the trainer over the network")
        if (bait.folder / "written").exists():
            raise SandboxError("a program wrote to the trainer's disk")


def _try(sandbox: Sandbox, canary: Canary, bait: Bait) -> str | None:
    facts = {
        "number": bait.number,
        "folder": str(bait.folder),
        "port": bait.port,
        "name": bait.name,
        "variable": _VARIABLE,
    }
    job = Job(_HEAD + canary.source, (json.dumps(facts).encode(),))
    (run,) = sandbox.run(job, _LIMITS)
    lines = run.stdout.decode("utf-8", "replace").splitlines()
    if not lines or lines[0] != bait.marker:
        return f"a program did not run: {run.status}, {run.detail or 'nothing printed'}"
    if run.status is not RunStatus.FINISHED:
        return f"a program did not finish: {run.status}, {run.detail}"
    if bait.secret in run.stdout.decode("utf-8", "replace"):
        return "it read a secret"
    try:
        return canary.fault(json.loads(lines[-1]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"a program spoke nonsense: {error}"


@contextlib.contextmanager
def _lay() -> Iterator[tuple[Bait, Callable[[], bool]]]:
    """Lay the bait, and say afterwards whether a listener heard something."""
    number, secret = secrets.randbelow(10**9) + 10**9, secrets.token_hex(16)
    name = f"spro-canary-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spro-canary-")))
        (folder / "secret").write_text(secret)
        # Only the sandbox may stand between a program and these.
        folder.chmod(0o777)
        (folder / "secret").chmod(0o644)
        inet = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        unix.bind("\0" + name)
        unix.listen()
        stack.callback(os.environ.pop, _VARIABLE, None)
        os.environ[_VARIABLE] = secret

        def heard() -> bool:
            for listener in (inet, unix):
                listener.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    listener.accept()[0].close()
                    return True
            return False

        yield Bait(number, folder, secret, inet.getsockname()[1], name), heard
