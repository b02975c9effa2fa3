"""Many short lives of the command line: one process imports everything once, and forks for each life.

As a program it reads a life a line from stdin, as JSON, and answers how it ended.
"""

import glob
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fuse:
    """A signal that a life sends to itself when it comes to call number ``calls`` of any of these functions.

    Attributes:
        places: such as ``os:fsync`` or ``spro.train.held_out:HeldOut.evaluate``, where they are looked up.
        calls: from 1.
        number: of the signal.
        within: a function such as those in ``places``; a call counts only in the course of it. Any call does if None.
    """

    places: tuple[str, ...]
    calls: int
    number: int = signal.SIGTERM
    within: str | None = None


@dataclass(frozen=True)
class Blow:
    """A SIGKILL from outside.

    Attributes:
        seconds: after which.
        behind: a pattern of files; the time begins when there is one.
    """

    seconds: float
    behind: str | None = None


@dataclass(frozen=True)
class Ended:
    """How a life ended.

    Attributes:
        code: exit code, or minus the signal.
        seconds: that it took.
        said: on both streams.
    """

    code: int
    seconds: float
    said: str


class Nursery:
    """Where lives begin."""

    def __init__(self, folder: Path) -> None:
        self._said = folder / "said"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.lives"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, *words: str, fuse: Fuse | None = None, blow: Blow | None = None) -> Ended:
        """Run ``spro`` with these words."""
        life = {"words": words, "said": str(self._said)}
        life |= {"fuse": fuse and asdict(fuse), "blow": blow and asdict(blow)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(life) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()), said=self._said.read_text(errors="replace"))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    opened = Nursery(folder)
    try:
        yield opened
    finally:
        opened.close()


def _light(places: list[str], calls: int, number: int, within: str | None) -> None:
    made, depth = count(1), [0 if within else 1]
    for place in places:
        _replace(place, lambda function: _with_fuse(function, made, depth, calls, number))
    if within:
        _replace(within, lambda function: _deepening(function, depth))


def _replace(place: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, path = place.partition(":")
    *parents, name = path.split(".")
    owner: Any = import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, wrapped(getattr(owner, name)))


def _with_fuse(
    function: Callable[..., Any], made: Iterator[int], depth: list[int], calls: int, number: int
) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if depth[0] and next(made) == calls:
            os.kill(os.getpid(), number)
        return function(*arguments, **named)

    return call


def _deepening(function: Callable[..., Any], depth: list[int]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        depth[0] += 1
        try:
            return function(*arguments, **named)
        finally:
            depth[0] -= 1

    return call


def _child(life: dict[str, Any]) -> int:
    from spro.cli import main

    descriptor = os.open(life["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if life["fuse"]:
        _light(**life["fuse"])
    try:
        return main(life["words"])
    except BaseException:
        traceback.print_exc()
        return 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _watch_over(child: int, blow: dict[str, Any] | None) -> int:
    """Wait for the child's end, and bring it about if a blow is due; its status."""
    due = None if blow is None or blow["behind"] else time.monotonic() + blow["seconds"]
    while True:
        ended, status = os.waitpid(child, 0 if blow is None else os.WNOHANG)
        if ended:
            return status
        if due is None and blow is not None and glob.glob(blow["behind"], include_hidden=True):
            due = time.monotonic() + blow["seconds"]
        if due is not None and time.monotonic() >= due:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.0005)


def _serve() -> None:
    import_module("spro.train.command")
    from spro.models import load_policy

    # Once here, so that no life has to warm up for it.
    load_policy("builtin:chain", "cpu")
    for line in sys.stdin:
        life = json.loads(line)
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            code = 71
            try:
                code = _child(life)
            finally:
                os._exit(code)
        status = _watch_over(child, life["blow"])
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - start}), flush=True)
    # The interpreter takes seconds to tidy up.
    os._exit(0)


if __name__ == "__main__":
    _serve()
