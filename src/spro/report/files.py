"""Files of a page or a figure: whole, or one line for the user."""

from pathlib import Path

from spro.errors import RunFolderError
from spro.folders import write_whole


def write_file(path: Path, content: bytes) -> Path:
    """Write a file that a reader never meets half written.

    Raises:
        RunFolderError: it cannot be written; what stood there before is still whole.
    """
    try:
        return write_whole(path, content)
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be written ({error.strerror}): check permissions and free space"
        ) from error
