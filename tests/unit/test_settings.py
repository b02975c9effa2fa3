"""Settings: what a user writes, and what they are told when it is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spro.config import ChainTask, EurusTask
from spro.errors import ConfigError
from spro.settings import dump_config, load_config
from spro.train.setup import build_credit, resolve


def test_without_a_config_it_is_the_embedded_lab_run() -> None:
    config = load_config(None, [])
    assert isinstance(config.task, ChainTask)
    assert config.credit.type == "spro"


def test_defaults_are_the_papers() -> None:
    config = load_config(None, ["task.type=eurus", "task.path=x", "model.path=y"])
    assert (config.train.prompts_per_step, config.rollout.group_size) == (256, 4)
    assert (config.filter.oversample_factor, config.filter.accuracy_low, config.filter.accuracy_high) == (2, 0.2, 0.8)
    assert (config.optimizer.learning_rate, config.loss.entropy_coef) == (1e-6, 0.001)
    assert config.loss.loss_reduction == "seq-mean-token-mean"
    assert build_credit(config.credit).beta == 0.05  # type: ignore[attr-defined]


def test_overrides_reach_into_sections() -> None:
    config = load_config(None, ["train.steps=3", "optimizer.learning_rate=5e-4", "credit.beta=0", "seed=7"])
    assert (config.train.steps, config.optimizer.learning_rate, config.seed) == (3, 5e-4, 7)
    assert build_credit(config.credit).beta == 0.0  # type: ignore[attr-defined]


def test_another_type_starts_its_section_afresh(tmp_path: Path) -> None:
    chain = tmp_path / "chain.yaml"
    chain.write_text("model: {path: m}\ntask: {type: chain, train_problems: 9}\nseed: 3\n")
    config = load_config(chain, ["task.type=eurus", "task.path=data.parquet"])
    assert config.task == EurusTask(type="eurus", path="data.parquet")
    assert config.seed == 3
    fresh = ["task.path=data.parquet", "model.path=m", "task.type=eurus", "credit.beta=0.1", "credit.type=spro"]
    assert load_config(None, fresh).credit.hyper_parameters == {"beta": 0.1}, "words may stand in any order"


def test_a_resolved_config_says_everything_and_loads_again(tmp_path: Path) -> None:
    config = resolve(load_config(None, [f"run_dir={tmp_path / 'run'}"]))
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    assert yaml.safe_load(path.read_text())["credit"] == {"type": "spro", "beta": 0.05, "std_eps": 1e-6}
    assert load_config(path, []) == config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.stesp=3"], r"unknown key 'train\.stesp'; did you mean 'steps'\?"),
        (["trian.steps=3"], r"unknown key 'trian'; did you mean 'train'\?"),
        (["task.max_operator=3"], r"unknown key 'task\.max_operator'; did you mean 'max_operators'\?"),
        (["task.type=erus"], r"task\.type is 'erus'; did you mean 'eurus'\?"),
        (["task.type=eurus", "model.path=m"], r"the command line: the key 'task\.path' is missing"),
        (["task.type=eurus", "task.path=x"], r"the command line: the key 'model\.path' is missing"),
        (["rollout.group_size=1"], r"rollout\.group_size is 1: input should be greater than or equal to 2"),
        (["train.steps=many"], r"train\.steps is 'many': input should be a valid integer"),
        (["optimizer.learning_rate=nan"], r"optimizer\.learning_rate is 'nan': input should be a finite number"),
        (["loss.loss_reduction=token_mean"], r"loss\.loss_reduction is 'token_mean': input should be 'token-mean'"),
        (["filter.accuracy_low=0.9"], r"accuracy_low 0\.9 is above accuracy_high 0\.8"),
        (["task.max_operators=2", "task.min_operators=1"], r"at most 4650 can be drawn; raise max_operators"),
        (["optimizer.warmup_steps=9", "train.steps=9"], r"warmup_steps is 9, and the run has 9 optimizer steps"),
        (["seed=-1"], r"seed is -1"),
        (["train.steps"], r"cannot read 'train\.steps'; settings are written key=value"),
        (["train..steps=1"], r"cannot read 'train\.\.steps=1'"),
        (["seed.x.y=1"], r"'seed' is a value, not a section|seed is"),
        (["seed=[1"], r"cannot read the value of 'seed=\[1'"),
    ],
)
def test_mistakes_are_named_with_key_value_and_remedy(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None, words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["credit.type=sprro"], r"credit\.type is 'sprro'; did you mean 'spro'\?"),
        (["credit.bta=1"], r"unknown key 'credit\.bta' for the method 'spro'; did you mean 'beta'\?"),
        (["credit.type=grpo", "credit.beta=1"], r"unknown key 'credit\.beta' for the method 'grpo'; known: std_eps"),
        (["credit.beta=1", "credit.type=grpo"], r"unknown key 'credit\.beta' for the method 'grpo'"),
        (["credit.beta=high"], r"credit\.beta is 'high': input should be a valid number"),
        (["credit.beta=-1"], r"credit: beta is -1\.0; it must be finite and at least 0"),
    ],
)
def test_mistakes_in_the_method(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_credit(load_config(None, words).credit)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not YAML"),
        ("- 1\n", "holds a list"),
        ("task: {type: chain}\nmodel: {path: m}\nsteps: 3\n", r"unknown key 'steps'"),
        ("model: {path: m}\n", "the key 'task.type' is missing"),
        ("model: {path: m}\ntask: {train_problems: 3}\n", r"the key 'task.type' is missing; known: chain, eurus, math"),
    ],
)
def test_broken_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path, [])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file() -> None:
    with pytest.raises(ConfigError, match=r"cannot read the config 'absent\.yaml'"):
        load_config(Path("absent.yaml"), [])


def test_config_and_command_line_start_without_torch() -> None:
    program = "import sys, spro.config, spro.settings, spro.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
