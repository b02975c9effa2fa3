"""A checkpoint is whole or is passed over, whatever happens and whenever."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spro.errors import TrainingError
from spro.train.checkpoint import Checkpoints, problem_with

FILES = ("model.safetensors", "config.json", "training/policy.safetensors", "training/state.json")


def content(step: int, name: str) -> bytes:
    return random.Random(f"{step}/{name}").randbytes(64)


def fill(step: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "training").mkdir()
        for name in FILES:
            (folder / name).write_bytes(content(step, name))

    return write


def save(checkpoints: Checkpoints, *steps: int, good_step: int | None = None) -> None:
    for step in steps:
        checkpoints.save(step, 256, fill(step), step if good_step is None else good_step)


def names(checkpoints: Checkpoints) -> set[str]:
    return {path.name for path in checkpoints.folder.iterdir()}


def recovered(checkpoints: Checkpoints) -> tuple[str | None, list[str]]:
    said: list[str] = []
    found = checkpoints.recover(said.append)
    return found and found.name, said


@pytest.fixture
def three(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    save(checkpoints, 1, 2, 3)
    return checkpoints


def test_what_was_written_is_whole_and_the_newest_wins(three: Checkpoints) -> None:
    assert recovered(three) == ("step-3", [])
    assert three.newest() == three.folder / "step-3"
    for step in (1, 2, 3):
        folder = three.folder / f"step-{step}"
        assert problem_with(folder) == ""
        assert {name: (folder / name).read_bytes() for name in FILES} == {name: content(step, name) for name in FILES}
        assert json.loads((folder / "manifest.json").read_text()).keys() == set(FILES)


def test_steps_are_numbers_and_no_words(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=9)
    save(checkpoints, 9, 10)
    (tmp_path / "step-old").mkdir()
    assert recovered(checkpoints) == ("step-10", [])
    assert checkpoints.newest_up_to(9) == tmp_path / "step-9"
    assert checkpoints.newest_up_to(8) is None


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def flip(file: Path) -> None:
    found = bytearray(file.read_bytes())
    place = random.Random(file.name).randrange(8 * len(found))
    found[place // 8] ^= 1 << place % 8
    file.write_bytes(bytes(found))


def replace_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, "{} has 63 bytes, and had 64"),
        (lengthen, "{} has 65 bytes, and had 64"),
        (flip, "{} is not what was written"),
        (Path.unlink, "{} is missing"),
        (replace_by_a_folder, "{} is missing"),
    ],
)
def test_what_is_not_what_was_written_is_passed_over_with_its_reason(
    three: Checkpoints, name: str, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(three.folder / "step-3" / name)
    found, said = recovered(three)
    assert found == "step-2"
    place = str(three.folder / "step-3")
    assert said == [f"the checkpoint {place!r} is passed over: {reason.format(name)}"]
    assert names(three) == {"step-1", "step-2", ".broken-step-3"}


@pytest.mark.parametrize(
    "text", [None, "", "{", "{}", "[]", '{"a": 1}', '{"a": {"bytes": 1}}', '{"a": {"sha256": ""}}']
)
def test_without_a_manifest_that_can_be_read_it_is_passed_over(three: Checkpoints, text: str | None) -> None:
    manifest = three.folder / "step-3" / "manifest.json"
    manifest.unlink()
    if text is not None:
        manifest.write_text(text)
    found, (line,) = recovered(three)
    assert found == "step-2"
    assert "step-3' is passed over: " in line
    assert "manifest.json" in line


def test_every_flipped_bit_of_the_manifest_is_found(three: Checkpoints) -> None:
    manifest = three.folder / "step-3" / "manifest.json"
    whole = manifest.read_bytes()
    # Every third: each byte is met, and each bit.
    for place in range(0, 8 * len(whole), 3):
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        manifest.write_bytes(bytes(spoilt))
        assert problem_with(manifest.parent), (place, bytes(spoilt))
    manifest.write_bytes(whole)
    assert problem_with(manifest.parent) == ""


def test_a_file_that_the_disk_does_not_give_back_is_no_reason_to_give_up(
    three: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def fail(path: Path, *words: Any, **named: Any) -> Any:
        if path.parts[-2:] == ("step-3", "config.json"):
            raise OSError(5, "Input/output error")
        return opened(path, *words, **named)

    monkeypatch.setattr(Path, "open", fail)
    found, (line,) = recovered(three)
    assert found == "step-2"
    assert line.endswith("config.json cannot be read: Input/output error")


def test_one_that_was_not_renamed_is_passed_over_however_whole(three: Checkpoints) -> None:
    (three.folder / "step-3").rename(three.folder / ".writing-step-3")
    found, said = recovered(three)
    assert found == "step-2"
    place = str(three.folder / ".writing-step-3")
    assert said == [f"the checkpoint {place!r} is passed over: its saving did not come to its end"]
    save(three, 3)
    assert recovered(three) == ("step-3", [])


def test_all_that_are_broken_are_told_and_none_is_left(three: Checkpoints) -> None:
    for step in (1, 2, 3):
        truncate(three.folder / f"step-{step}" / FILES[0])
    found, said = recovered(three)
    assert (found, len(said)) == (None, 3)
    assert recovered(three) == (None, []), "told once"
    assert Checkpoints(three.folder / "absent", 2).recover(said.append) is None


def test_those_put_aside_do_not_count_among_those_that_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 1, 2)
    truncate(tmp_path / "step-2" / FILES[0])
    assert recovered(checkpoints)[0] == "step-1"
    save(checkpoints, 2)
    assert names(checkpoints) == {"step-1", "step-2", ".broken-step-2"}
    truncate(tmp_path / "step-2" / FILES[0])
    assert recovered(checkpoints)[0] == "step-1", "beside the one put aside before"


def test_the_newest_stay_and_the_last_good_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 10, 20, 30)
    assert names(checkpoints) == {"step-20", "step-30"}
    save(checkpoints, 40, 50, 60, good_step=35)
    assert names(checkpoints) == {"step-30", "step-50", "step-60"}
    save(checkpoints, 70)
    assert names(checkpoints) == {"step-60", "step-70"}


def test_a_disk_that_is_too_full_is_one_line_and_costs_nothing(
    three: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**40, 2**40, 2**30))
    three.save(4, 2**29, fill(4), 4)
    with pytest.raises(TrainingError) as caught:
        three.save(5, 2**30, fill(5), 5)
    assert str(caught.value) == (
        f"the checkpoint needs 1228.8 MiB in {str(three.folder)!r}, where 1024.0 MiB are free; what was saved before "
        "is whole. Make room, then go on with --resume"
    )
    assert names(three) == {"step-2", "step-3", "step-4"}
    assert recovered(three) == ("step-4", [])


def test_a_save_that_fails_in_the_middle_leaves_the_others_whole(three: Checkpoints) -> None:
    def fail(folder: Path) -> None:
        (folder / FILES[0]).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        three.save(4, 1, fail, 4)
    assert all(problem_with(three.folder / f"step-{step}") == "" for step in (1, 2, 3))
    assert recovered(three)[0] == "step-3"
    save(three, 4)
    assert names(three) == {"step-2", "step-3", "step-4"}


OPERATIONS = ((os, "fsync"), (os, "unlink"), (os, "rmdir"), (Path, "rename"), (Path, "mkdir"), (Path, "write_text"))


@pytest.mark.parametrize("again", [False, True], ids=["of a new step", "of a step that is there"])
def test_between_any_two_operations_all_that_was_saved_can_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The folder as a kill would leave it, before each operation of each save."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    made: list[int] = []
    seen = 0

    def look() -> None:
        nonlocal seen
        seen += 1
        copy = tmp_path / "copy"
        shutil.copytree(checkpoints.folder, copy)
        left = Checkpoints(copy, keep=2)
        newest, _ = recovered(left)
        whole = [path for path in copy.glob("step-*") if problem_with(path) == ""]
        assert len(whole) >= min(2, len(set(made)))
        assert int((newest or "step-0").removeprefix("step-")) >= max(made, default=0)
        _remove(copy)

    def _remove(copy: Path) -> None:
        with monkeypatch.context() as plain:
            for owner, name in OPERATIONS:
                plain.setattr(owner, name, originals[owner, name])
            shutil.rmtree(copy)

    is_looking = False

    def before(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            nonlocal is_looking
            if not is_looking:
                is_looking = True
                look()
                is_looking = False
            return operation(*words, **named)

        return call

    originals = {(owner, name): getattr(owner, name) for owner, name in OPERATIONS}
    checkpoints.folder.mkdir()
    for owner, name in OPERATIONS:
        monkeypatch.setattr(owner, name, before(originals[owner, name]))
    for step in (1, 2, 3, 3, 4) if again else (1, 2, 3, 4):
        save(checkpoints, step)
        made.append(step)
    monkeypatch.undo()
    assert seen > 60, "or this test shows nothing"
    assert names(checkpoints) == {"step-3", "step-4"}


def test_a_replacement_that_was_cut_off_is_undone(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 1, 2)
    (tmp_path / "step-2").rename(tmp_path / ".replaced-step-2")
    assert recovered(checkpoints) == ("step-2", [])
    assert names(checkpoints) == {"step-1", "step-2"}
    shutil.copytree(tmp_path / "step-2", tmp_path / ".replaced-step-2")
    save(checkpoints, 2)
    assert names(checkpoints) == {"step-1", "step-2"}


def test_one_that_was_renamed_is_passed_over(three: Checkpoints) -> None:
    for name, step in (("step-3", 3), ("step-2", 1)):
        state = three.folder / name / "training/state.json"
        state.write_text(f'{{"step": {step}}}')
        manifest = three.folder / name / "manifest.json"
        entries = json.loads(manifest.read_text())
        digest = hashlib.sha256(state.read_bytes()).hexdigest()
        entries["training/state.json"] = {"bytes": state.stat().st_size, "sha256": digest}
        manifest.write_text(json.dumps(entries))
    assert problem_with(three.folder / "step-3") == ""
    assert problem_with(three.folder / "step-2") == "it is of step 1"
