"""Folders that a study writes whole or not at all."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from spro.errors import RunFolderError


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """SIGTERM leaves by an exception, so that what was begun is removed."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_absent(out: Path) -> None:
    """Refuse a folder that exists, before an hour goes into what could not be written.

    Raises:
        RunFolderError: something is there.
    """
    if os.path.lexists(out):
        raise RunFolderError(f"{str(out)!r} exists already: choose another folder with out=FOLDER")


@contextmanager
def begun_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``out`` when all is written; when anything is raised, nothing stays.

    It is begun in the nearest folder above ``out`` that exists, hence on the same disk.

    Raises:
        RunFolderError: ``out`` exists already or cannot be written.
    """
    check_absent(out)
    above = next(parent for parent in out.absolute().parents if parent.exists())
    try:
        with TemporaryDirectory(prefix=f".{out.name}-", dir=above) as begun:
            folder = Path(begun) / out.name
            folder.mkdir()
            yield folder
            out.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(out)
    except OSError as error:
        raise RunFolderError(f"{str(out)!r} cannot be written ({error.strerror}): choose another with out=") from error
