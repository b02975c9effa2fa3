"""An evaluation that is killed, or stopped, and goes on is the evaluation that was left alone, to the byte."""

import json
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spro.errors import ConfigError, DataError, RunFolderError
from spro.evaluate import evaluate_command
from spro.folders import lock_folder
from tests.e2e.lives import Blow, Fuse, Nursery, nursery
from tests.unit.evaluate.builders import lines_of

WORDS = ("max_problems=14", "problems_at_once=4", "samples=2", "temperature=1.0")
ANSWERS = 3
"""A problem: one greedy and two sampled."""
RESULTS = ("samples.jsonl", "result.json")


@pytest.fixture(scope="module")
def born(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as opened:
        yield opened


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight") / "a"
    assert evaluate_command("builtin:chain", "chain", [*WORDS, f"out={folder}"]) == 0
    return folder


def words_of(folder: Path) -> tuple[str, ...]:
    return ("eval", "builtin:chain", "--suite", "chain", *WORDS, f"out={folder}", "--resume")


def go_on(folder: Path, *words: str) -> int:
    return evaluate_command("builtin:chain", None, [f"out={folder}", *words], resume=True)


def assert_same(folder: Path, straight: Path) -> None:
    for name in RESULTS:
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name


@pytest.mark.parametrize("calls", [1, 4, 8])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_is_ended_while_it_samples(
    born: Nursery, straight: Path, tmp_path: Path, number: signal.Signals, calls: int
) -> None:
    """Two calls a chunk, of which there are four."""
    folder = tmp_path / "a"
    ended = born.live(*words_of(folder), fuse=Fuse(("spro.evaluate.evaluation:sample_groups",), calls, number))
    whole = (calls - 1) // 2 * 4 * ANSWERS
    assert len(lines_of(folder)) == whole, "of the chunk in which it ended there is nothing"
    assert not (folder / "result.json").exists()
    if number == signal.SIGKILL:
        assert ended.code == -signal.SIGKILL
    else:
        assert ended.code == 128 + number
        assert f"stopped; go on with: spro eval builtin:chain --suite chain out={folder} --resume" in ended.said
    assert go_on(folder) == 0
    assert_same(folder, straight)


def test_it_is_killed_at_random_moments_again_and_again(born: Nursery, straight: Path, tmp_path: Path) -> None:
    timed = born.live(*words_of(tmp_path / "timed"))
    assert timed.code == 0, timed.said
    assert_same(tmp_path / "timed", straight)
    dice = random.Random(0)
    folder = tmp_path / "a"
    due = [Blow(dice.uniform(0.0, timed.seconds), str(folder / "*") if number % 2 else None) for number in range(8)]
    while due:
        ended = born.live(*words_of(folder), blow=due[-1])
        if ended.code == 0:
            # It came to its end before the moment, which comes earlier in the next.
            assert_same(folder, straight)
            shutil.rmtree(folder)
            due[-1] = replace(due[-1], seconds=0.7 * due[-1].seconds)
        else:
            assert ended.code == -signal.SIGKILL, ended.said
            due.pop()
    assert born.live(*words_of(folder)).code == 0
    assert_same(folder, straight)


def cuts(text: bytes) -> list[int]:
    """Where a write may have ended: anywhere, at the end of a line, of a chunk, of all."""
    ends = [place + 1 for place, byte in enumerate(text) if byte == ord("\n")]
    anywhere = random.Random(1).sample(range(len(text)), 6)
    return [0, 1, ends[0], ends[4 * ANSWERS - 1] - 1, ends[4 * ANSWERS - 1], ends[-1] - 1, ends[-1], *anywhere]


def test_wherever_the_file_was_cut_off_the_rest_is_the_same(straight: Path, tmp_path: Path) -> None:
    text = (straight / "samples.jsonl").read_bytes()
    for number, length in enumerate(cuts(text)):
        folder = tmp_path / str(number)
        shutil.copytree(straight, folder)
        (folder / "result.json").unlink()
        (folder / "samples.jsonl").write_bytes(text[:length])
        assert go_on(folder) == 0
        assert_same(folder, straight)


def test_a_folder_that_was_barely_begun_is_begun(tmp_path: Path, straight: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / ".writing-config.yaml").touch()
    assert evaluate_command("builtin:chain", "chain", [*WORDS, f"out={folder}"], resume=True) == 0
    assert_same(folder, straight)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/diary.txt").touch()
    with pytest.raises(ConfigError, match=r"cannot go on with '.*other': it is no evaluation, it has no config\.yaml"):
        evaluate_command("builtin:chain", "chain", [f"out={tmp_path / 'other'}"], resume=True)
    with pytest.raises(ConfigError, match=r"--resume needs the folder to go on with: add out=\.\.\."):
        evaluate_command("builtin:chain", "chain", [], resume=True)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("seed=5", "cannot go on: seed is 5, and the evaluation was begun with 0; set it back, or begin another"),
        ("rollout.max_rows=16", r"rollout\.max_rows is 16, and the evaluation was begun with 256"),
        ("samples=3", "samples is 3, and the evaluation was begun with 2"),
        ("verify.timeout_s=1", r"verify\.timeout_s is 1\.0, and the evaluation was begun with 10\.0"),
    ],
)
def test_other_settings_are_refused_by_name(straight: Path, tmp_path: Path, word: str, line: str) -> None:
    folder = shutil.copytree(straight, tmp_path / "a")
    before = {name: (folder / name).read_bytes() for name in (*RESULTS, "config.yaml")}
    with pytest.raises(ConfigError, match=line):
        go_on(folder, word)
    with pytest.raises(ConfigError, match="suite is calculator, and the evaluation was begun with chain"):
        evaluate_command("builtin:chain", "calculator", [f"out={folder}"], resume=True)
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_a_folder_with_quotes_around_its_name_is_the_same_folder(straight: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(straight, tmp_path / "my run")
    with pytest.raises(ConfigError, match=r"temperature is 0\.5, and the evaluation was begun with 1\.0"):
        evaluate_command("builtin:chain", None, [f"out='{folder}'", "temperature=0.5"], resume=True)
    (folder / "samples.jsonl").write_text("")
    assert evaluate_command("builtin:chain", None, [f"out='{folder}'"], resume=True) == 0
    assert_same(folder, straight)


def test_what_it_was_begun_with_is_damaged(straight: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(straight, tmp_path / "a")
    (folder / "identity.json").write_text('{"model": "x"}')
    with pytest.raises(DataError, match=r"identity\.json' is damaged: questions: Field required; begin another"):
        go_on(folder)


def test_what_changes_no_sample_may_change(straight: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(straight, tmp_path / "a")
    text = (folder / "samples.jsonl").read_bytes()
    (folder / "samples.jsonl").write_bytes(text[: len(text) // 2])
    assert go_on(folder, "model.device=cpu", "verify.workers=1", "verify.max_unscored_share=0.9") == 0
    assert_same(folder, straight)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("model", "the model's weights changed since the evaluation was begun; put back what there was"),
        ("questions", "the problems changed since"),
        ("template", "the chat template changed since"),
        ("torch", r"the version of torch changed since the evaluation was begun \(other then, 2\."),
        ("vllm", r"the version of vllm changed since the evaluation was begun \(other then, none now"),
    ],
)
def test_another_model_other_data_and_other_versions_are_refused(
    straight: Path, tmp_path: Path, key: str, line: str
) -> None:
    folder = shutil.copytree(straight, tmp_path / "a")
    identity = json.loads((folder / "identity.json").read_text())
    (folder / "identity.json").write_text(json.dumps({**identity, key: "other"}))
    with pytest.raises(RunFolderError, match=line):
        go_on(folder)


def test_samples_of_other_problems_are_refused(straight: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(straight, tmp_path / "a")
    lines = (folder / "samples.jsonl").read_text().splitlines(keepends=True)
    (folder / "samples.jsonl").write_text(
        "".join([*lines[ANSWERS : 2 * ANSWERS], *lines[:ANSWERS], *lines[2 * ANSWERS :]])
    )
    with pytest.raises(RunFolderError, match=r"samples\.jsonl' line 1 is of chain-.*: the file was changed"):
        go_on(folder)


def test_one_process_at_a_time_evaluates_into_a_folder(straight: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(straight, tmp_path / "a", ignore=shutil.ignore_patterns(".lock"))
    descriptor = lock_folder(folder, "evaluates into the folder")
    with pytest.raises(RunFolderError, match=r"another process evaluates into the folder '.*a'; wait for it or end it"):
        go_on(folder)
    # The lock is the descriptor's.
    with open(descriptor, closefd=True):
        pass
    assert go_on(folder) == 0
