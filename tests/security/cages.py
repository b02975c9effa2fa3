"""Starts stand-ins for trainers, and gives them programs to run."""

import ast
import base64
import contextlib
import inspect
import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from tests.open_copy import open_copy
from tests.security import trainer
from tests.security.escapes import prelude
from tests.security.world import World

from spro.verify.sandbox import landlock_launcher
from spro.verify.sandbox.landlock import NEEDED_ABI
from spro.verify.sandbox.uids import Uids

USERS = Uids()
"""Held against all others on this machine, sandboxes and other processes of tests."""
TRAINERS = {
    "root-bubblewrap": ("bubblewrap", False),
    "root-landlock": ("landlock", False),
    "user-bubblewrap": ("bubblewrap", os.geteuid() == 0),
    "user-landlock": ("landlock", os.geteuid() == 0),
}
"""Name to the level, and to whether the trainer has a user of its own; it is its parent's where it has not."""
LIMITS = {
    "cpu_s": 1,
    "wall_s": 2.0,
    "total_s": 12.0,
    "memory_bytes": 2**28,
    "total_memory_bytes": 3 * 2**27,
    "processes": 8,
    "file_bytes": 4 * 2**20,
    "folder_bytes": 16 * 2**20,
    "output_bytes": 2**18,
    "error_bytes": 2**14,
    "open_files": 64,
}


@dataclass(frozen=True)
class Seen:
    """What came of one program.

    Attributes:
        status: of its only test.
        stdout: the same.
        detail: the same.
        seconds: that it took as a whole.
    """

    status: str
    stdout: bytes
    detail: str
    seconds: float


class Crew:
    """Some trainers of a kind, among whom programs are shared out; they spend most of their time waiting.

    Args:
        level: of confinement.
        has_user: whether each trainer has a user of its own.
        attempt: what to do with a trainer and a name.
    """

    def __init__(self, level, has_user, attempt):
        self.level = level
        self._idle = queue.SimpleQueue()
        self._trainers = [Trainer(level, has_user) for _ in range(3)]
        for one in self._trainers:
            self._idle.put(one)
        self._pool = ThreadPoolExecutor(len(self._trainers))
        self._attempt = attempt
        self._begun = {}

    def begin(self, names):
        """Start on several at once; whoever asks for one of them then waits for less."""
        self._begun = {name: self._pool.submit(self._try, name) for name in names}

    def result(self, name):
        """What the attempt came to."""
        return self._begun[name].result()

    def _try(self, name):
        one = self._idle.get()
        try:
            return self._attempt(one, name)
        finally:
            self._idle.put(one)

    def close(self):
        self._pool.shutdown(cancel_futures=True)
        for one in self._trainers:
            one.close()


class Trainer:
    """One that runs, as a process of its own."""

    def __init__(self, level, has_user):
        self._held = contextlib.ExitStack()
        # Nobody else's: the system counts what a user runs, and others would begin and end theirs meanwhile.
        uid = self._held.enter_context(USERS.lend()) if has_user else None
        # A word that no list of processes, environment or file holds by chance.
        self.hint = f"canary-{secrets.token_hex(8)}"
        self.level = level
        self._process = subprocess.Popen(
            [python_of(level, uid), str(open_copy(trainer.__file__) / "trainer.py"), level, self.hint],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={
                "PATH": os.defpath,
                "PYTHONPATH": str(open_copy(trainer.__file__)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "HF_TOKEN": self.hint,
                "LANG": "C.UTF-8",
            },
            user=uid,
            group=uid,
            extra_groups=[] if uid is not None else None,
        )
        words = self._answer()
        self.pid, self.uid = words["pid"], words["uid"]

    def run(self, source, inputs, limits=LIMITS, **more):
        """All runs of a job, and the seconds that it took."""
        encoded = [base64.b64encode(given).decode() for given in inputs]
        request = {"source": source, "inputs": encoded, "limits": limits, **more}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._answer()
        return [
            Seen(run["status"], base64.b64decode(run["stdout"]), run["detail"], reply["seconds"])
            for run in reply["runs"]
        ]

    def judge(self, response, tests, limits):
        """The verdict on a response, as a dictionary."""
        self._process.stdin.write(json.dumps({"response": response, "tests": tests, "limits": limits}) + "\n")
        self._process.stdin.flush()
        return self._answer()["verdict"]

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"the trainer ended with code {self._process.returncode}; its standard error says why")
        return json.loads(line)

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._held.close()


def skip_unless_possible(name):
    """Skip a test whose kind of trainer cannot be had here, and say why."""
    level, has_user = TRAINERS[name]
    if name.startswith("root") and os.geteuid() != 0:
        pytest.skip("only root can be dropped from")
    if level == "landlock" and landlock_launcher.abi() < NEEDED_ABI:
        pytest.skip("the kernel's Landlock is too old")
    if level == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bwrap is not installed")
    return level, has_user


def python_of(level, uid):
    """The tests' own interpreter, where whoever runs it can reach it."""
    own = os.path.realpath(sys.executable)
    is_open = all(folder.stat().st_mode & 0o001 for folder in Path(own).parents)
    is_enough = os.geteuid() != 0 or (uid is None and level != "landlock")
    return own if is_open or is_enough else "/usr/bin/python3"


def source_of(module: ModuleType, name: str, *, is_honest: bool = False) -> str:
    """A program: the prelude, the module that defines it, and a call."""
    parts = [inspect.getsource(prelude), _without_our_imports(inspect.getsource(module))]
    return "\n".join([*parts, *([] if is_honest else ["begin()"]), f"{name}()", ""])


def _without_our_imports(text: str) -> str:
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)


def programs_of(module: ModuleType) -> list[str]:
    """Names of the programs that a module defines."""
    return [
        name
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    ]


def chosen(request, crew=None):
    """Names of the programs that this session will ask a crew for."""
    for item in request.session.items:
        words = getattr(getattr(item, "callspec", None), "params", {})
        if item.path == request.path and "name" in words and words.get("crew") == crew:
            yield words["name"]


def breaches(seen: Seen, world: World, patience_s: float, limits=LIMITS) -> list[str]:
    """All that shows an escape, but for seconds: what the program says, what the host shows, and other limits."""
    found = [line.decode(errors="replace") for line in seen.stdout.split(b"\n") if line.startswith(b"ESCAPED")]
    found += world.breaches(patience_s)
    if seen.status == "free":
        found.append(seen.detail)
    if len(seen.stdout) > limits["output_bytes"]:
        found.append(f"{len(seen.stdout)} bytes of output")
    return found


def is_late(seen: Seen, limits=LIMITS) -> bool:
    """Whether it went on beyond its seconds, or the machine stood still."""
    return seen.seconds > limits["wall_s"] + 4
