"""Files and folders that nobody meets half written, and of which one process at a time writes."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from spro.errors import RunFolderError

LOCK = ".lock"
WRITING = ".writing-"
"""What a name begins with that is not whole yet; a killed process leaves it behind."""
LOOK_S = 0.1
"""Between two looks at a lock that another process holds."""


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file under another name and rename it; text is written as UTF-8 with the line ends that it has.

    Raises:
        OSError: it cannot be written; what stood there before is still whole.
    """
    # Two processes at once each have a file of their own, and the last one's stays.
    aside = path.with_name(f"{WRITING}{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)
        return aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def check_absent(path: Path, remedy: str = ": choose another folder with out=FOLDER", called: str = "") -> None:
    """Refuse a folder that exists, before an hour goes into what could not be written.

    Args:
        path: of the folder; a link that leads nowhere is something too.
        remedy: the end of the message, with the sign that it begins with.
        called: what the message calls the folder.

    Raises:
        RunFolderError: something is there.
    """
    if os.path.lexists(path):
        raise RunFolderError(f"{called} {str(path)!r} exists already{remedy}".lstrip())


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


def lock_folder(path: Path, doing: str, patience_s: float = 0.0) -> int:
    """Keep other processes out of a folder.

    Args:
        path: of the folder, which exists.
        doing: what such another process does in it, for the message.
        patience_s: how long one waits for the lock, in seconds.

    Returns:
        A descriptor. The lock is held until it is closed by this process and by every child that was handed it; the
        system does that, however they end.

    Raises:
        RunFolderError: another process holds it.
        OSError: the file of the lock cannot be made.
    """
    descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    due = time.monotonic() + patience_s
    try:
        while not _is_locked(descriptor):
            if time.monotonic() >= due:
                raise RunFolderError(f"another process {doing} {str(path)!r}; wait for it or end it")
            time.sleep(LOOK_S)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def next_numbered(parent: Path, stem: str) -> Path:
    """The next free ``<parent>/<stem>-<number>``, the number with three digits from 001 on."""
    paths = (parent / f"{stem}-{number:03d}" for number in count(1))
    return next(path for path in paths if not os.path.lexists(path))


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
