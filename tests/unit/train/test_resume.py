"""Which settings a resumed run may have, and where they come from."""

from pathlib import Path

import pytest

from spro.errors import ConfigError
from spro.settings import load_config
from spro.train.resume import load_resumed
from spro.train.run_folder import RunFolder
from spro.train.setup import resolve


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run with a few settings of its own."""
    run = tmp_path / "run"
    config = resolve(load_config(None, ["credit.beta=0.125", "loss.clip_ratio_low=0.1", f"run_dir={run}"]))
    RunFolder(run, config).close()
    return run


def refusal(begun: Path, *words: str, path: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_resumed(path, [f"run_dir={begun}", *words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_they_are_those_of_the_folder(begun: Path) -> None:
    config = load_resumed(None, [f"run_dir={begun}"])
    assert config == load_config(begun / "config.yaml", [])
    assert config.credit.hyper_parameters["beta"] == 0.125


@pytest.mark.parametrize(
    ("word", "key", "now", "before"),
    [
        ("credit.beta=0.05", "credit.beta", "0.05", "0.125"),
        ("loss.clip_ratio_low=0.2", "loss.clip_ratio_low", "0.2", "0.1"),
        ("seed=1", "seed", "1", "0"),
        ("train.prompts_per_step=8", "train.prompts_per_step", "8", "32"),
        ("optimizer.learning_rate=1e-5", "optimizer.learning_rate", "1e-05", "0.00015"),
        ("rollout.group_size=8", "rollout.group_size", "8", "4"),
        ("credit.type=grpo", "credit.type", "grpo", "spro"),
        ("filter.type=dynamic", "filter.type", "dynamic", "accuracy_window"),
        ("task.held_out_problems=3", "task.held_out_problems", "3", "512"),
        ("model.dtype=bfloat16", "model.dtype", "bfloat16", "auto"),
        ("verify.max_unscored_share=0.1", "verify.max_unscored_share", "0.1", "0.5"),
    ],
)
def test_what_makes_it_another_run_is_refused_with_both_values(
    begun: Path, word: str, key: str, now: str, before: str
) -> None:
    said = refusal(begun, word)
    assert (
        said == f"cannot go on: {key} is {now}, and the run was begun with {before}; set it back, or begin another run"
    )


@pytest.mark.parametrize(
    "word",
    [
        "train.steps=999", "evaluate.every=3", "log.checkpoint_every=7", "log.keep_checkpoints=5",
        "watch.on_collapse=stop", "verify.workers=1", "train.micro_batch_tokens=512", "model.device=cpu",
        "train.max_skipped_updates=9", "model.gradient_checkpointing=true",
    ],
)  # fmt: skip
def test_how_long_how_told_and_at_what_cost_may_change(begun: Path, word: str) -> None:
    key, value = word.split("=")
    section, name = key.split(".")
    assert str(getattr(getattr(load_resumed(None, [f"run_dir={begun}", word]), section), name)).lower() == value


def test_what_a_file_leaves_out_is_its_default_and_no_permission(begun: Path, tmp_path: Path) -> None:
    """The run was begun with words beside its file, which are forgotten now."""
    path = tmp_path / "mine.yaml"
    text = load_config(None, []).model_dump_json(exclude_defaults=True)
    path.write_text(text)
    said = refusal(begun, path=path)
    assert said.startswith("cannot go on: credit.beta is 0.05, and the run was begun with 0.125")
    config = load_resumed(path, [f"run_dir={begun}", "credit.beta=0.125", "loss.clip_ratio_low=0.1"])
    assert resolve(config) == load_config(begun / "config.yaml", [])


def test_a_run_folder_that_was_moved_goes_on(begun: Path) -> None:
    elsewhere = begun.with_name("elsewhere")
    begun.rename(elsewhere)
    assert load_resumed(None, [f"run_dir={elsewhere}"]).run_dir == elsewhere


def test_without_a_run_folder_there_is_nothing_to_go_on_with() -> None:
    with pytest.raises(ConfigError, match=r"^--resume needs the run folder to go on with: add run_dir=\.\.\.$"):
        load_resumed(None, ["train.steps=3"])


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    assert refusal(tmp_path) == f"cannot go on with {str(tmp_path)!r}: it is no run folder, it has no config.yaml"
    assert "it is no run folder" in refusal(tmp_path / "precious")


def test_a_folder_that_does_not_exist_or_was_barely_begun_begins(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for _ in range(2):
        config = load_resumed(None, [f"run_dir={run}", "credit.beta=0.5"])
        assert (config.run_dir, config.credit.hyper_parameters["beta"]) == (run, 0.5)
        run.mkdir(exist_ok=True)
    # Ended between its lock and its settings.
    (run / ".lock").touch()
    (run / ".writing-config.yaml").write_text("seed:")
    assert load_resumed(None, [f"run_dir={run}"]).run_dir == run


def test_a_folder_whose_settings_are_garbled_is_refused(begun: Path) -> None:
    (begun / "config.yaml").write_text("credit: [")
    assert f"{begun}/config.yaml is not YAML" in refusal(begun)
