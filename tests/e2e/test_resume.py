"""A run that is killed, or stopped, and goes on is the run that was left alone, to the bit."""

import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from spro.settings import load_config
from spro.train.run_folder import RunFolder
from tests.e2e.lives import Blow, Fuse, Nursery, nursery

TINY = (
    "task.train_problems=64",
    "task.held_out_problems=4",
    "train.prompts_per_step=4",
    "train.steps=6",
    "rollout.max_response_length=24",
    "optimizer.learning_rate=1e-3",
    "evaluate.every=2",
    "log.checkpoint_every=1",
    "log.rollouts_every=1",
)
METHODS = {
    "grpo": ("credit.type=grpo",),
    "spro": ("credit.type=spro",),
    "prime": ("credit.type=prime", "prm.learning_rate=1e-3"),
    "ppo": ("credit.type=ppo", "critic.learning_rate=1e-3"),
}
OFF_POLICY = ("train.update_epochs=2", "train.mini_batches=2", "reference.type=ema", "reference.decay=0.5")
OPERATIONS = ("os:fsync", "pathlib:Path.rename", "shutil:rmtree", "spro.train.saving:save_file")
"""What a save is made of."""
SAVE = "spro.train.checkpoint:Checkpoints.save"
Whole = Callable[..., tuple[Path, float]]


@pytest.fixture(scope="module")
def born(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as opened:
        yield opened


def untimed(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if not name.startswith(("time/", "memory/"))}


def metrics_of(run: Path) -> list[dict[str, Any]]:
    return [untimed(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]


def state_of(checkpoint: Path) -> dict[str, Any]:
    state = json.loads((checkpoint / "training/state.json").read_text())
    return {**state, "latest": untimed(state["latest"]), "pending": state["pending"] and untimed(state["pending"])}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_same(run: Path, straight: Path, step: int = 6) -> None:
    """All that is no time of the clock."""
    assert metrics_of(run) == metrics_of(straight)
    assert contents(run / "rollouts") == contents(straight / "rollouts")
    one, other = (folder / "checkpoints" / f"step-{step}" for folder in (run, straight))
    assert state_of(one) == state_of(other)
    timed = {"manifest.json", "training/state.json"}
    found, expected = contents(one), contents(other)
    assert found.keys() == expected.keys()
    assert {"model.safetensors", "training/policy.safetensors", "training/random.safetensors"} <= found.keys()
    assert [name for name in expected if name not in timed and found[name] != expected[name]] == []


def moments(seed: str, seconds: float, folder: Path) -> Iterator[dict[str, Any]]:
    """Twenty: twelve anywhere, five between two operations of a save, three soon behind the begin of one."""
    dice = random.Random(seed)
    found: list[dict[str, Any]] = [{"blow": Blow(dice.uniform(0, seconds))} for _ in range(12)]
    found += [{"fuse": Fuse(OPERATIONS, dice.randint(1, 50), signal.SIGKILL, SAVE)} for _ in range(5)]
    begun = str(folder / "*/checkpoints/.writing-*")
    found += [{"blow": Blow(dice.uniform(0, 0.03), begun)} for _ in range(3)]
    dice.shuffle(found)
    yield from found


@pytest.fixture(scope="module")
def whole(born: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Runs that are left alone, each made once, and the seconds that it took."""

    @cache
    def run(*words: str) -> tuple[Path, float]:
        folder = tmp_path_factory.mktemp("whole") / "run"
        ended = born.live("train", *TINY, *words, f"run_dir={folder}")
        assert ended.code == 0, ended.said
        return folder, ended.seconds

    return run


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_at_twenty_moments_it_is_the_same_run(tmp_path: Path, born: Nursery, whole: Whole, method: str) -> None:
    straight, seconds = whole(*METHODS[method])
    words = ("train", *TINY, *METHODS[method], "--resume")
    due = list(moments(method, seconds, tmp_path))
    runs = 0
    # A life may come to the end of its run before its moment, which then waits for the next run.
    while due:
        run = tmp_path / str(runs)
        ended = born.live(*words, f"run_dir={run}", **due[-1])
        if ended.code == -signal.SIGKILL:
            due.pop()
        else:
            assert ended.code == 0, ended.said
            assert_same(run, straight)
            runs += 1
            if isinstance(late := due[-1].get("blow"), Blow):
                # The machine has become faster than it was when the seconds were taken.
                due[-1] = {"blow": replace(late, seconds=0.7 * late.seconds)}
    run = tmp_path / str(runs)
    ended = born.live(*words, f"run_dir={run}")
    assert ended.code == 0, ended.said
    assert_same(run, straight)


def test_a_run_that_learns_off_policy_beside_a_moving_reference(tmp_path: Path, born: Nursery, whole: Whole) -> None:
    straight, _ = whole(*OFF_POLICY)
    run = tmp_path / "run"
    words = ("train", *TINY, *OFF_POLICY, "--resume", f"run_dir={run}")
    # Of four a step: in the third step, in the fourth, and at the begin of the fifth.
    for calls in (10, 6, 5):
        fuse = Fuse(("spro.train.update:Updater._micro_batch",), calls, signal.SIGKILL)
        assert born.live(*words, fuse=fuse).code == -signal.SIGKILL
    ended = born.live(*words)
    assert ended.code == 0, ended.said
    assert_same(run, straight)
    assert "training/ref_log_probs.safetensors" in contents(run / "checkpoints/step-6")


def test_adapters_and_their_moments(tmp_path: Path, born: Nursery, whole: Whole) -> None:
    pytest.importorskip("peft")
    words = ("model.lora={rank: 4}",)
    straight, _ = whole(*words)
    run = tmp_path / "run"
    fuse = Fuse(("spro.train.update:Updater._micro_batch",), 4, signal.SIGKILL)
    assert born.live("train", *TINY, *words, f"run_dir={run}", fuse=fuse).code == -signal.SIGKILL
    ended = born.live("train", *TINY, *words, "--resume", f"run_dir={run}")
    assert ended.code == 0, ended.said
    assert metrics_of(run) == metrics_of(straight)
    found, expected = (contents(folder / "checkpoints/step-6") for folder in (run, straight))
    assert found["adapter_model.safetensors"] == expected["adapter_model.safetensors"]
    assert found["training/policy.safetensors"] == expected["training/policy.safetensors"]


PHASES = {
    "the first evaluation": ("spro", "spro.train.held_out:HeldOut.evaluate", 1, 0),
    "rollout": ("spro", "spro.rollout.embedded:EmbeddedEngine._advance", 130, 2),
    "scoring": ("spro", "spro.train.source:Scoring.log_probs", 3, 2),
    "update": ("spro", "spro.train.update:Updater._optimizer_step", 3, 2),
    "the last pass of an update": ("spro", "spro.train.update:Updater._micro_batch", 3, 3),
    "evaluation": ("spro", "spro.train.held_out:HeldOut.evaluate", 3, 4),
    "save": ("spro", "spro.train.saving:save_file", 3, 2),
    "learning of the reward model": ("prime", "spro.train.reward_model:pack", 3, 2),
    "update behind the reward model's": ("prime", "spro.train.update:Updater._micro_batch", 3, 3),
    "learning of the critic": ("ppo", "spro.train.critic:Critic._micro_batch", 3, 3),
}
"""Method, where the signal comes, at which call, and the step that is then saved."""


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_that_is_stopped_in_any_phase_is_the_same_run(
    tmp_path: Path, born: Nursery, whole: Whole, phase: str
) -> None:
    method, place, calls, saved = PHASES[phase]
    # Seldom enough that it is the stop that saves.
    often = ("log.checkpoint_every=100",) if phase != "save" else ()
    straight, _ = whole(*METHODS[method])
    run, words = tmp_path / "run", ("train", *TINY, *METHODS[method], *often)
    ended = born.live(*words, f"run_dir={run}", fuse=Fuse((place,), calls))
    assert ended.code == 128 + signal.SIGTERM, ended.said
    assert "spro: stopping and saving; once more to stop at once" in ended.said
    checkpoints = {path.name for path in (run / "checkpoints").glob("step-*")}
    assert max(checkpoints, default="step-0") == f"step-{saved}"
    assert (run / "report.html").is_file() == (saved > 0)
    ended = born.live(*words, "--resume", f"run_dir={run}")
    assert ended.code == 0, ended.said
    assert_same(run, straight)


def test_a_step_that_is_saved_twice_replaces_itself(tmp_path: Path, born: Nursery, whole: Whole) -> None:
    """Stopped in the evaluation of step 2, saved with its metrics pending; evaluated and saved again."""
    straight, _ = whole(*METHODS["spro"])
    run = tmp_path / "run"
    fuse = Fuse(("spro.train.held_out:HeldOut.evaluate",), 2)
    assert born.live("train", *TINY, f"run_dir={run}", fuse=fuse).code == 143
    assert state_of(run / "checkpoints/step-2")["pending"]
    # Between the two renames the old one is aside and the new one has no name yet; then it is put back.
    for calls, name in ((2, ".replaced-step-2"), (1, ".replaced-step-2"), (2, "step-2")):
        fuse = Fuse(("pathlib:Path.rename",), calls, signal.SIGKILL)
        assert born.live("train", *TINY, "--resume", f"run_dir={run}", fuse=fuse).code == -signal.SIGKILL
        assert {path.name for path in (run / "checkpoints").iterdir()} == {"step-1", ".writing-step-2", name}
    ended = born.live("train", *TINY, "--resume", f"run_dir={run}")
    assert "going on behind step 2" in ended.said
    assert_same(run, straight)


def test_another_process_may_not_write_into_a_run(tmp_path: Path, born: Nursery) -> None:
    run = tmp_path / "run"
    assert born.live("train", *TINY, "train.steps=2", f"run_dir={run}").code == 0
    before = contents(run)
    held = RunFolder(run, load_config(run / "config.yaml", []), resume=True)
    refused = born.live("train", "--resume", "train.steps=3", f"run_dir={run}")
    assert refused.code == 2
    assert refused.said == f"spro: another process trains in the run folder {str(run)!r}; wait for it or end it\n"
    held.close()
    assert contents(run) == before
    assert born.live("train", "--resume", "train.steps=3", f"run_dir={run}").code == 0


def test_a_run_can_be_made_longer_and_is_told_by_its_folder_alone(tmp_path: Path, born: Nursery) -> None:
    run = tmp_path / "run"
    assert born.live("train", *TINY, "train.steps=2", "credit.beta=0.125", f"run_dir={run}").code == 0
    ended = born.live("train", "train.steps=4", f"run_dir={run}", "--resume")
    assert ended.code == 0, ended.said
    assert f"going on behind step 2, from {run}/checkpoints/step-2" in ended.said
    assert [line["step"] for line in metrics_of(run)] == [0, 1, 2, 3, 4]
    settings = load_config(run / "config.yaml", [])
    assert (settings.train.steps, settings.credit.hyper_parameters["beta"]) == (4, 0.125)
    again = born.live("train", f"run_dir={run}", "--resume")
    assert again.code == 0, again.said
    assert "step 0 -> 4" in again.said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("credit.beta=0.5",), "cannot go on: credit.beta is 0.5, and the run was begun with 0.05; set it back, or"),
        (("seed=3",), "cannot go on: seed is 3, and the run was begun with 0"),
        (("filter.type=none",), "cannot go on: filter.type is none, and the run was begun with accuracy_window"),
        (("model.lora={rank: 4}",), "cannot go on: model.lora.alpha is 32.0, and the run was begun with None"),
    ],
)
def test_a_setting_that_makes_it_another_run_is_refused(
    born: Nursery, whole: Whole, words: tuple[str, ...], message: str
) -> None:
    straight, _ = whole(*METHODS["spro"])
    before = contents(straight)
    refused = born.live("train", *TINY, *words, "--resume", f"run_dir={straight}")
    assert (refused.code, refused.said.count("\n")) == (2, 1), refused.said
    assert refused.said.startswith(f"spro: {message}")
    assert contents(straight) == before


def test_another_model_under_the_run_is_refused(tmp_path: Path, born: Nursery) -> None:
    model, run = tmp_path / "model", tmp_path / "run"
    shutil.copytree(files("spro") / "assets/chain", model)
    words = ("train", *TINY, "train.steps=3", f"model.path={model}", f"run_dir={run}", "--resume")
    assert born.live(*words, "train.steps=2").code == 0
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] * 1.01
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    refused = born.live(*words)
    assert refused.code == 2
    assert f"the run began from another model than is in {str(model)!r} now; its reference is lost" in refused.said
    assert not (run / "checkpoints/step-3").exists()
    shutil.rmtree(model)
    shutil.copytree(files("spro") / "assets/chain", model)
    assert born.live(*words).code == 0


def test_a_broken_checkpoint_is_passed_over_and_the_run_is_the_same(
    tmp_path: Path, born: Nursery, whole: Whole
) -> None:
    straight, _ = whole(*METHODS["spro"])
    run = tmp_path / "run"
    fuse = Fuse(("spro.train.learn:Learner.learn",), 5, signal.SIGKILL)
    assert born.live("train", *TINY, f"run_dir={run}", fuse=fuse).code == -signal.SIGKILL
    weights = run / "checkpoints/step-4/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    ended = born.live("train", *TINY, "--resume", f"run_dir={run}")
    assert ended.code == 0, ended.said
    size = weights.parent.with_name(".broken-step-4").joinpath("model.safetensors").stat().st_size
    what = f"model.safetensors has {size} bytes, and had {size + 1}"
    assert f"the checkpoint '{run}/checkpoints/step-4' is passed over: {what}\n" in ended.said
    assert "going on behind step 3" in ended.said
    assert_same(run, straight)
