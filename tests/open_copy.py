"""The package where other users may read it: a checkout may lie in a folder that is closed to them."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import spro


@functools.cache
def open_copy(*more: str) -> Path:
    """A folder with the package and some files beside it; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="spro-open-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(Path(spro.__file__).parent, folder / "spro", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    for file in more:
        shutil.copy(file, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
