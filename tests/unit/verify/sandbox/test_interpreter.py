import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from spro.errors import SandboxError
from spro.verify.sandbox.interpreter import Interpreter, interpreter


def test_it_is_real_and_runs():
    found = interpreter()
    assert os.path.realpath(found.executable) == found.executable
    said = subprocess.run([found.executable, "-I", "-S", "-c", "import sys; print(sys.version)"], capture_output=True)
    assert said.stdout.decode().strip() == sys.version


def test_everything_it_needs_is_inside():
    found = interpreter()
    homes = (*found.folders, "/usr")
    for path in (found.executable, os.path.realpath(os.__file__)):
        assert any(Path(path).is_relative_to(home) for home in homes)
    for folder in found.folders:
        assert not any(folder != other and Path(folder).is_relative_to(other) for other in homes)


@pytest.fixture
def open_folder():
    """Unlike those of pytest, one that every user may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


def test_barrier(open_folder):
    inner = open_folder / "closed" / "open"
    inner.mkdir(parents=True)
    # Whatever is masked here.
    inner.parent.chmod(0o755)
    inner.chmod(0o755)
    found = Interpreter("x", (str(inner),))
    assert found.barrier() is None
    inner.parent.chmod(0o700)
    assert found.barrier() == str(inner.parent)
    inner.parent.chmod(0o711)
    inner.chmod(0o750)
    assert found.barrier() == str(inner)


def test_system_interpreter_needs_no_folder(monkeypatch):
    monkeypatch.setattr(sys, "_base_executable", "/usr/bin/env")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "base_exec_prefix", "/usr")
    assert interpreter() == Interpreter(os.path.realpath("/usr/bin/env"), ())


def test_nested_folders_count_once(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_exec_prefix", str(tmp_path / "inner"))
    monkeypatch.setattr(sys, "_base_executable", str(tmp_path / "bin" / "python"))
    assert interpreter().folders == (os.path.realpath(tmp_path),)


def test_prefix_that_is_everything(monkeypatch):
    monkeypatch.setattr(sys, "base_prefix", "/")
    with pytest.raises(SandboxError, match="whole file system"):
        interpreter()
