"""Files that a reader never meets half written."""

import os
from pathlib import Path

from spro.errors import RunFolderError


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file under a temporary name and rename it.

    Raises:
        RunFolderError: it cannot be written; what stood there before is still whole.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        return temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(
            f"{path} cannot be written ({error.strerror}): check permissions and free space"
        ) from error
