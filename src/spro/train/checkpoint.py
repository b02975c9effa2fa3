"""Checkpoints: folders that are complete or are passed over.

step-N/            the model and its tokenizer, which plain transformers opens
training/        what else a resumed run needs, as safetensors and JSON
manifest.json    size and SHA-256 of every file
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spro.errors import TrainingError

MANIFEST = "manifest.json"
STATE = "training/state.json"
"""Where a run keeps where it stands; a checkpoint without it is a model to begin from."""
ROOM = 1.2
"""Free space that a save asks for, in units of what it will write."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run.

    Attributes:
        folder: made with the first one.
        keep: how many of the newest stay.
    """

    folder: Path
    keep: int

    def save(self, step: int, size: int, write: Callable[[Path], None], good_step: int) -> Path:
        """Make ``step-N``; a killed run leaves a ``.writing-`` folder behind and never half a checkpoint.

        It is written aside, flushed to the disk, listed in the manifest, and renamed. Then what is too old goes, but
        for the newest one up to ``good_step``.

        Args:
            step: that it is of.
            size: bytes that will be written, roughly.
            write: fills the folder that it is given.
            good_step: the last step that nothing was wrong with.

        Raises:
            TrainingError: there is too little room; what was saved before is whole.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._put_back()
        for left in (*self.folder.glob(".writing-*"), *self.folder.glob(".removing-*")):
            shutil.rmtree(left, ignore_errors=True)
        self._check_room(size)
        aside, final = self.folder / f".writing-step-{step}", self.folder / f"step-{step}"
        aside.mkdir()
        write(aside)
        files = sorted(path for path in aside.rglob("*") if path.is_file())
        manifest = {path.relative_to(aside).as_posix(): _describe(path) for path in files}
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1))
        for path in (*aside.rglob("*"), aside):
            _flush(path)
        if final.exists():
            # Of a run that was stopped in the evaluation of this step and has gone on.
            final.rename(self.folder / f".replaced-step-{step}")
        aside.rename(final)
        _flush(self.folder)
        self._put_back()
        self._tidy(good_step)
        return final

    def newest(self) -> Path | None:
        """The one of the highest step."""
        return max(self._found(), key=_step_of, default=None)

    def newest_up_to(self, step: int) -> Path | None:
        """The one of the highest step that is at most ``step``."""
        return max((path for path in self._found() if _step_of(path) <= step), key=_step_of, default=None)

    def broken(self) -> list[Path]:
        """What ``recover`` has put aside."""
        return sorted(self.folder.glob(".broken-step-*"))

    def recover(self, say: Callable[[str], None]) -> Path | None:
        """The one of the highest step that is whole; what is not is told to ``say`` and put aside as ``.broken-``."""
        self._put_back()
        for path in sorted(self.folder.glob(".writing-*")):
            say(f"the checkpoint {str(path)!r} is passed over: its saving did not come to its end")
        for path in sorted(self._found(), key=_step_of, reverse=True):
            problem = problem_with(path)
            if not problem:
                return path
            say(f"the checkpoint {str(path)!r} is passed over: {problem}")
            # Else it would be counted among those that stay.
            aside = path.with_name(f".broken-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
        return None

    def _found(self) -> Iterator[Path]:
        return (path for path in self.folder.glob("step-*") if path.name.removeprefix("step-").isdigit())

    def _put_back(self) -> None:
        """Undo a replacement that was cut off, and end one that was not."""
        for path in self.folder.glob(".replaced-*"):
            final = path.with_name(path.name.removeprefix(".replaced-"))
            if final.exists():
                shutil.rmtree(path)
            else:
                path.rename(final)

    def _tidy(self, good_step: int) -> None:
        found = sorted(self._found(), key=_step_of)
        kept = {*found[-self.keep :], self.newest_up_to(good_step)}
        for path in found:
            if path not in kept:
                _discard(path)

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < ROOM * size:
            raise TrainingError(
                f"the checkpoint needs {ROOM * size / 2**20:.1f} MiB in {str(self.folder)!r}, where {free / 2**20:.1f} "
                "MiB are free; what was saved before is whole. Make room, then go on with --resume"
            )


def problem_with(checkpoint: Path) -> str:
    """Why a checkpoint is not whole; nothing if it is. Reads every byte."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text())
        expected = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in manifest.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"it has no {MANIFEST} that can be read"
    problems = (_problem_with_file(checkpoint, name, *entry) for name, entry in expected.items())
    problem = next(filter(None, problems), "" if expected else f"{MANIFEST} names no file")
    return problem or _problem_with_name(checkpoint)


def _problem_with_name(checkpoint: Path) -> str:
    """One that was renamed would win over newer ones for ever."""
    try:
        step = int(json.loads((checkpoint / STATE).read_text())["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if step == _step_of(checkpoint) else f"it is of step {step}"


def _problem_with_file(checkpoint: Path, name: str, size: int, digest: str) -> str:
    file = checkpoint / name
    if not file.is_file():
        return f"{name} is missing"
    if file.stat().st_size != size:
        return f"{name} has {file.stat().st_size} bytes, and had {size}"
    try:
        return "" if _sha256(file) == digest else f"{name} is not what was written"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _discard(path: Path) -> None:
    """Rename before removing: what is half removed must not be taken for a checkpoint."""
    aside = path.with_name(f".removing-{path.name}")
    path.rename(aside)
    shutil.rmtree(aside)


def _describe(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": _sha256(file)}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
