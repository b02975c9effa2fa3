"""Real TensorBoard, wandb and trackio show what metrics.jsonl holds, however a run ends and goes on."""

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spro.sinks import renamed
from tests.e2e.lives import Fuse, Nursery
from tests.sinks.shown import Shown, in_tensorboard, in_trackio, in_wandb, offline, wandb_kinds, wandb_run

TINY = (
    "task.train_problems=64",
    "task.held_out_problems=4",
    "train.prompts_per_step=4",
    "train.steps=6",
    "rollout.max_response_length=24",
    "optimizer.learning_rate=1e-3",
    "evaluate.every=2",
    "log.checkpoint_every=1",
)
ALL = "log.sinks=[tensorboard,wandb,trackio]"
READERS: dict[str, Callable[[Path], Shown]] = {
    "tensorboard": in_tensorboard,
    "wandb": in_wandb,
    "trackio": in_trackio,
}
OF_THE_CLOCK = ("time/", "memory/")
LOG = "spro.train.run_folder:RunFolder.log_metrics"
SHOW = "spro.sinks.sinks:Sinks.log"


def logged(run: Path, names: str = "spro") -> Shown:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        (name, line["step"]): value
        for line in lines
        for name, value in renamed({k: v for k, v in line.items() if k != "step"}, names).items()  # type: ignore[arg-type]
    }


def assert_shown(run: Path, names: str = "spro", but: tuple[str, ...] = ()) -> None:
    """Every number once, in each sink; TensorBoard's are float32. ``but``: names whose numbers may be older ones."""
    expected = logged(run, names)
    assert len({step for _, step in expected}) == 7
    for sink, read in READERS.items():
        found = read(run)
        assert found.keys() == expected.keys(), sink
        for key, value in expected.items():
            right = float(np.float32(value)) if sink == "tensorboard" else value
            assert found[key] == right or key[0].startswith(but), (sink, key)


def train(born: Nursery, run: Path, *words: str, fuse: Fuse | None = None) -> tuple[int, str]:
    ended = born.live("train", *TINY, ALL, *words, f"run_dir={run}", fuse=fuse)
    return ended.code, ended.said


@pytest.fixture(scope="module")
def straight(born: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("straight") / "left-alone"
    code, said = train(born, run)
    assert code == 0, said
    return run


def test_each_shows_every_number_of_every_step_once(straight: Path) -> None:
    assert_shown(straight)


def test_a_person_is_told_where_and_the_screen_is_no_noisier_for_it(born: Nursery, tmp_path: Path) -> None:
    code, said = train(born, tmp_path / "told")
    assert code == 0
    told = [line for line in said.splitlines() if line.startswith(("tensorboard: ", "wandb: ", "trackio: "))]
    assert told == [
        f"tensorboard: tensorboard --logdir {tmp_path / 'told' / 'tensorboard'}",
        f"wandb: wandb sync {offline(tmp_path / 'told')[0].parent}",
        "trackio: trackio show --project spro",
    ]
    assert "* " not in said


def test_the_run_is_the_one_without_sinks_to_the_bit(born: Nursery, straight: Path, tmp_path: Path) -> None:
    ended = born.live("train", *TINY, f"run_dir={tmp_path / 'plain'}")
    assert ended.code == 0, ended.said
    plain, shown = (
        {key: value for key, value in logged(run).items() if not key[0].startswith(OF_THE_CLOCK)}
        for run in (tmp_path / "plain", straight)
    )
    assert plain == shown
    weights = "checkpoints/step-6/model.safetensors"
    assert (tmp_path / "plain" / weights).read_bytes() == (straight / weights).read_bytes()


def test_names_settings_and_nothing_else_are_handed_over(born: Nursery, tmp_path: Path) -> None:
    run = tmp_path / "a"
    assert train(born, run, "log.project=mine", "log.run_name=first", "log.rollouts_every=1")[0] == 0
    sent = wandb_run(offline(run)[0])
    assert (sent.project, sent.display_name) == ("mine", "first")
    settings = {item.key: json.loads(item.value_json) for item in sent.config.update}
    assert settings["credit"]["type"] == "spro"
    assert settings["train"]["steps"] == 6
    kinds = wandb_kinds(offline(run)[0])
    assert not kinds & {"output", "output_raw", "artifact"}, "neither the screen nor a sample"
    samples = [json.loads(line) for line in (run / "rollouts/step-000001.jsonl").read_text().splitlines()]
    folder = offline(run)[0].parent
    for file in (path for path in folder.rglob("*") if path.is_file()):
        assert not any(
            sample["response"].encode() in file.read_bytes() for sample in samples if len(sample["response"]) > 8
        )


@pytest.mark.parametrize(("place", "calls"), [(LOG, 1), (LOG, 5), (LOG, 7), (SHOW, 4)])
def test_killed_and_gone_on_with_it_is_one_run_without_a_step_twice(
    born: Nursery, tmp_path: Path, place: str, calls: int
) -> None:
    """Killed as it logs; saved every second step, so that steps are done again whose numbers some sinks hold."""
    run = tmp_path / f"killed-{len(place)}-{calls}"
    words = ("log.checkpoint_every=2", "--resume")
    assert train(born, run, *words, fuse=Fuse((place,), calls, signal.SIGKILL))[0] == -signal.SIGKILL
    code, said = train(born, run, *words)
    assert code == 0, said
    # Of a step that was done twice the clock says two things, of which wandb and trackio keep the first.
    assert_shown(run, but=OF_THE_CLOCK)
    assert len({wandb_run(file).run_id for file in offline(run)[1:]} | {(run / "wandb-id.txt").read_text()}) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_by_a_signal_they_are_closed(born: Nursery, tmp_path: Path, number: int) -> None:
    run = tmp_path / f"stopped-{number}"
    fuse = Fuse((LOG,), 4, number)
    code, said = train(born, run, "--resume", fuse=fuse)
    assert code == 128 + number, said
    assert "exit" in wandb_kinds(offline(run)[-1])
    before = logged(run)
    for sink, read in READERS.items():
        assert read(run).keys() == before.keys(), sink
    assert train(born, run, "--resume")[0] == 0
    assert_shown(run)


def test_a_sink_that_cannot_be_opened_is_left_out_and_made_up_for(born: Nursery, tmp_path: Path) -> None:
    run = tmp_path / "spoilt"
    words = ("log.checkpoint_every=2", "--resume")
    train(born, run, *words, fuse=Fuse((LOG,), 4, signal.SIGKILL))
    shutil.move(run / "tensorboard", tmp_path / "aside")
    (run / "tensorboard").write_text("no folder")
    code, said = train(born, run, *words, "train.steps=4")
    assert code == 0, said
    assert said.count("tensorboard cannot be opened and is left out (") == 1
    (run / "tensorboard").unlink()
    shutil.move(tmp_path / "aside", run / "tensorboard")
    code, said = train(born, run, *words)
    assert code == 0, said
    assert_shown(run, but=OF_THE_CLOCK)


def test_a_sink_that_is_asked_for_later_gets_all(born: Nursery, tmp_path: Path) -> None:
    run = tmp_path / "late"
    assert born.live("train", *TINY, "--resume", "train.steps=4", f"run_dir={run}").code == 0
    assert not {"tensorboard", "wandb"} & {path.name for path in run.iterdir()}
    assert train(born, run, "--resume")[0] == 0
    assert_shown(run)


def test_a_run_of_another_folder_with_the_same_name_is_left_alone(born: Nursery, tmp_path: Path) -> None:
    """Also by one that goes on after the other has begun, and so is no longer the latest of that name."""
    one, other = tmp_path / "one" / "same", tmp_path / "other" / "same"
    assert train(born, one, "train.steps=4")[0] == 0
    assert train(born, other, "train.steps=4")[0] == 0
    assert train(born, one, "--resume")[0] == 0
    assert_shown(one)
    for sink, read in READERS.items():
        assert read(other).keys() == logged(other).keys(), sink
    assert train(born, other, "--resume")[0] == 0
    assert_shown(other)


def test_a_name_that_trackio_has_not_taken_is_not_kept(born: Nursery, tmp_path: Path) -> None:
    run = tmp_path / "untaken"
    assert train(born, run, "--resume", fuse=Fuse(("trackio:init",), 1, signal.SIGKILL))[0] == -signal.SIGKILL
    assert not (run / "trackio-name.txt").exists()
    assert train(born, run, "--resume")[0] == 0
    assert_shown(run)
    assert re.fullmatch("untaken-[0-9a-f]{8}", (run / "trackio-name.txt").read_text())


@pytest.mark.parametrize("names", ["trl", "verl"])
def test_under_the_names_of_a_host(born: Nursery, tmp_path: Path, names: str) -> None:
    run = tmp_path / f"named-{names}"
    assert train(born, run, f"log.metric_names={names}")[0] == 0
    assert_shown(run, names)
    expected = {"trl": "train/completions/mean_length", "verl": "actor/entropy"}[names]
    assert (expected, 3) in in_tensorboard(run)
    assert "entropy" in json.loads((run / "metrics.jsonl").read_text().splitlines()[1]), "the folder keeps ours"
