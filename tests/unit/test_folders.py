"""Whole or not at all, one process at a time, and never over what is there."""

import multiprocessing
import os
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from spro.errors import RunFolderError
from spro.folders import begun_folder, check_absent, lock_folder, next_numbered, write_whole


@pytest.mark.parametrize("content", ["zwölf\r\n\n", b"\xff\x00"])
def test_what_is_written_is_there_to_the_byte_and_nothing_beside_it(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("of before, and longer than what comes")
    assert write_whole(path, content) == path
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *words: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_is_no_unicode_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_is_refused_also_a_link_to_nowhere(tmp_path: Path) -> None:
    check_absent(tmp_path / "a")
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(RunFolderError) as caught:
        check_absent(tmp_path / "a")
    assert str(caught.value) == f"'{tmp_path}/a' exists already: choose another folder with out=FOLDER"
    with pytest.raises(RunFolderError) as caught:
        check_absent(tmp_path, "; move it", "the run folder")
    assert str(caught.value) == f"the run folder '{tmp_path}' exists already; move it"


def test_a_folder_appears_when_all_of_it_is_written(tmp_path: Path) -> None:
    out = tmp_path / "above" / "out"
    with begun_folder(out) as folder:
        (folder / "file").write_text("x")
        assert not out.exists()
    assert (out / "file").read_text() == "x"
    assert list(tmp_path.iterdir()) == [out.parent]
    with pytest.raises(RunFolderError, match="exists already"), begun_folder(out):
        pytest.fail("it is refused before anything is done")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_of_a_folder_that_fails_nothing_stays(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with begun_folder(tmp_path / "above" / "out") as folder:
            (folder / "file").write_text("x")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(RunFolderError, match=r"out' cannot be written \(No space left on device\): choose another"),
        begun_folder(tmp_path / "out"),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def descriptors_in(folder: Path) -> set[str]:
    """Of this process: all others come and go with what else it does."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        # That of this very list is closed by now.
        with suppress(FileNotFoundError):
            if link.readlink().is_relative_to(folder):
                found.add(link.name)
    return found


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = lock_folder(tmp_path, "trains in the run folder")
    # A descriptor of its own is what another process would have.
    with pytest.raises(RunFolderError) as caught:
        lock_folder(tmp_path, "trains in the run folder")
    assert str(caught.value) == (f"another process trains in the run folder '{tmp_path}'; wait for it or end it")
    with pytest.raises(RunFolderError):
        lock_folder(tmp_path, "compares in", patience_s=0.05)
    assert descriptors_in(tmp_path) == {str(first)}, "a refusal holds nothing"
    os.close(first)
    os.close(lock_folder(tmp_path, "compares in"))


def hold(folder: Path, parent: Connection) -> None:
    """Until it is told to end."""
    lock_folder(folder, "holds")
    parent.send("held")
    parent.recv()


def test_a_patient_one_gets_the_lock_when_the_other_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, parent = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path, parent))
    other.start()
    parent.close()
    assert child.recv() == "held"
    waits: list[float] = []

    def wait(seconds: float) -> None:
        """In which the other ends."""
        waits.append(seconds)
        child.send("end")
        other.join()

    monkeypatch.setattr("spro.folders.time", SimpleNamespace(monotonic=time.monotonic, sleep=wait))
    os.close(lock_folder(tmp_path, "compares in", patience_s=600))
    assert len(waits) == 1
    assert other.exitcode == 0
    child.close()


def test_the_next_number_is_free_and_no_gap_is_skipped(tmp_path: Path) -> None:
    assert next_numbered(tmp_path / "runs", "chain") == tmp_path / "runs/chain-001"
    for name in ("chain-001", "chain-003", "other-002"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert next_numbered(tmp_path / "runs", "chain") == tmp_path / "runs/chain-002"
    # Nothing could be made in its place.
    (tmp_path / "runs/chain-002").symlink_to("nowhere")
    assert next_numbered(tmp_path / "runs", "chain") == tmp_path / "runs/chain-004"
