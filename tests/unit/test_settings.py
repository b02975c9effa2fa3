"""Settings: what a user writes, and what they are told when it is wrong."""

import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml

from spro.config import AccuracyWindowFilter, ChainTask, DynamicFilter, EurusTask, LossConfig
from spro.errors import ConfigError
from spro.loss import KL_ESTIMATORS, SURROGATES
from spro.loss.surrogates import CISPO, GSPO, PPOClip
from spro.settings import dump_config, load_config
from spro.train.setup import build_credit, build_surrogate, resolve


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
    written = yaml.safe_load(path.read_text())
    assert written["credit"] == {"type": "spro", "beta": 0.05, "std_eps": 1e-6}
    assert written["loss"] == {
        "type": "ppo", "loss_reduction": "seq-mean-token-mean", "entropy_coef": 0.001, "kl_loss_coef": 0.0,
        "kl_estimator": "k3+", "rollout_is_cap": None, "clip_ratio_low": 0.2, "clip_ratio_high": 0.2,
    }  # fmt: skip
    assert load_config(path, []) == config


def test_the_surrogate_has_its_own_keys_beside_those_of_every_loss(tmp_path: Path) -> None:
    plain = load_config(None, ["loss.clip_ratio_low=0.1", "loss.entropy_coef=0"])
    assert build_surrogate(plain.loss) == PPOClip(clip_ratio_low=0.1)
    assert plain.loss.entropy_coef == 0
    assert build_surrogate(load_config(None, ["loss.type=gspo"]).loss) == GSPO(3e-4, 4e-4)
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(resolve(load_config(None, ["loss.type=dual_clip", "loss.clip_ratio_c=4"]))))
    assert yaml.safe_load(path.read_text())["loss"]["clip_ratio_c"] == 4.0
    again = load_config(path, ["loss.type=cispo"])
    assert build_surrogate(again.loss) == CISPO(), "the other type's keys mean nothing to it"


def test_another_type_keeps_what_all_types_share(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    sections = "loss: {entropy_coef: 0.5, clip_ratio_low: 0.1}\nfilter: {accuracy_low: 0.1}\n"
    path.write_text(f"model: {{path: m}}\ntask: {{type: chain}}\n{sections}")
    config = load_config(path, ["loss.type=gspo", "filter.type=dynamic"])
    assert (config.loss.entropy_coef, config.loss.hyper_parameters) == (0.5, {})
    assert config.filter == DynamicFilter(type="dynamic")
    same = load_config(path, ["loss.type=ppo", "filter.type=accuracy_window"])
    assert same.loss.hyper_parameters == {"clip_ratio_low": 0.1}, "the type it had already without saying so"
    assert same.filter == AccuracyWindowFilter(accuracy_low=0.1)


def test_the_config_offers_exactly_the_kl_estimators_that_exist() -> None:
    assert set(typing.get_args(LossConfig.model_fields["kl_estimator"].annotation)) == set(KL_ESTIMATORS)


@pytest.mark.parametrize("name", SURROGATES)
def test_every_surrogate_is_built_by_its_name(name: str) -> None:
    assert type(build_surrogate(LossConfig(type=name))) is SURROGATES[name]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["loss.typ=gspo"], r"unknown key 'loss\.typ' .*; did you mean 'type'\?"),
        (["loss.type=pppo"], r"loss\.type is 'pppo'; did you mean 'ppo'\?"),
        (["loss.clip_ratio_lo=0.1"], r"unknown key 'loss\.clip_ratio_lo' for the surrogate 'ppo'; did you mean"),
        (["loss.entropy_coeff=0"], r"unknown key 'loss\.entropy_coeff' .*; did you mean 'entropy_coef'\?"),
        (["loss.clip_ratio_c=3"], r"unknown key 'loss\.clip_ratio_c' for the surrogate 'ppo'"),
        (["loss.clip_ratio_low=2"], r"^loss: clip_ratio_low is 2\.0; it must lie between 0 and 1$"),
        (["loss.clip_ratio_low=wide"], r"^loss\.clip_ratio_low is 'wide': input should be a valid number"),
        (["loss.type=dual_clip", "loss.clip_ratio_c=.inf"], r"^loss: clip_ratio_c is inf; it must be finite"),
    ],
)
def test_mistakes_in_the_surrogate(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve(load_config(None, words))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.stesp=3"], r"unknown key 'train\.stesp'; did you mean 'steps'\?"),
        (["trian.steps=3"], r"unknown key 'trian'; did you mean 'train'\?"),
        (["reference.every=3"], r"the command line: unknown key 'reference.every'; it belongs to the type periodic"),
        (["filter.type=dynamic", "filter.accuracy_low=0.1"], r"'filter.accuracy_low'; it belongs to the type accuracy"),
        (["task.max_operator=3"], r"unknown key 'task\.max_operator'; did you mean 'max_operators'\?"),
        (["task.type=erus"], r"task\.type is 'erus'; did you mean 'eurus'\?"),
        (["task.type=eurus", "model.path=m"], r"the command line: the key 'task\.path' is missing"),
        (["task.type=eurus", "task.path=x"], r"the command line: the key 'model\.path' is missing"),
        (["rollout.group_size=1"], r"rollout\.group_size is 1: input should be greater than or equal to 2"),
        (["train.steps=many"], r"train\.steps is 'many': input should be a valid integer"),
        (["optimizer.learning_rate=nan"], r"optimizer\.learning_rate is 'nan': input should be a finite number"),
        (["loss.loss_reduction=token_mean"], r"loss\.loss_reduction is 'token_mean': input should be 'token-mean'"),
        (["loss.kl_loss_coef=-1"], r"loss\.kl_loss_coef is -1"),
        (["loss.kl_estimator=k4"], r"loss\.kl_estimator is 'k4': input should be 'k1'"),
        (["filter.type=dinamic"], r"filter\.type is 'dinamic'; did you mean 'dynamic'\?"),
        (["filter.acuracy_low=0.1"], r"unknown key 'filter\.acuracy_low'; did you mean 'accuracy_low'\?"),
        (["filter.type=none", "filter.oversample_factor=2"], r"unknown key 'filter\.oversample_factor'"),
        (["filter.type=dynamic", "filter.max_rollout_batches=0"], r"filter\.max_rollout_batches is 0"),
        (["reference.type=periodic"], r"the key 'reference\.every' is missing"),
        (["reference.every=3"], r"unknown key 'reference\.every'"),
        (["reference.type=ema", "reference.decay=1"], r"reference\.decay is 1: input should be less than 1"),
        (["reward.overlong_buffer=129"], r"overlong_buffer is 129, above rollout\.max_response_length 128"),
        (["reward.functions={path: a.b}"], r"reward\.functions is {'path': 'a\.b'}, and must be a list"),
        (["reward.functions=[a.b]"], r"reward\.functions\.0 is 'a\.b', and must be a section with some of .* path"),
        (["reward.functions=[{path: a.b, wait: 2}]"], r"'reward\.functions\.0\.wait'; did you mean 'weight'\?"),
        (["reward.functions=[{weight: 2}]"], r"the key 'reward\.functions\.0\.path' is missing"),
        (["verify.function={pth: a}"], r"unknown key 'verify\.function\.pth'; did you mean 'path'\?"),
        (["verify.code.sandbox=docker"], r"verify\.code\.sandbox is 'docker': input should be 'auto', 'bubblewrap'"),
        (["verify.math.boxes=first"], r"verify\.math\.boxes is 'first'"),
        (["steps.separator="], r"steps\.separator is None"),
        (["vine.samples=0"], r"vine\.samples is 0"),
        (["filter.accuracy_low=0.9"], r"accuracy_low 0\.9 is above accuracy_high 0\.8"),
        (["task.max_operators=2", "task.min_operators=1"], r"at most 4650 can be drawn; raise max_operators"),
        (
            ["optimizer.warmup_steps=9", "train.steps=9"],
            r"optimizer\.warmup_steps is 9, and the run has 9 optimizer steps for it",
        ),
        (
            ["prm.warmup_steps=18", "train.steps=9", "prm.mini_batches=2"],
            r"prm\.warmup_steps is 18, and the run has",
        ),
        (["critic.warmup_steps=9", "train.steps=9"], r"critic\.warmup_steps is 9, and the run has 9 optimizer steps"),
        (["critic.head_start=9", "train.steps=9"], r"critic\.head_start is 9, and the run has 9 steps"),
        (["log.keep_checkpoints=1"], r"log\.keep_checkpoints is 1: input should be greater than or equal to 2"),
        (["watch.on_collapse=pause"], r"watch\.on_collapse is 'pause': input should be 'warn' or 'stop'"),
        (["watch.fall=0"], r"watch\.fall is 0: input should be greater than 0"),
        (["train.max_skipped_updates=-1"], r"train\.max_skipped_updates is -1"),
        (["train.micro_batch_size=4"], r"unknown key 'train\.micro_batch_size'; did you mean 'micro_batch_tokens'\?"),
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
        (["credit.type=gpg", "credit.x=1"], r"unknown key 'credit\.x' for the method 'gpg'; "),
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
        ("task: {type: chain}\nmodel: {path: m}\nstep: 3\n", r"unknown key 'step'; did you mean 'steps'"),
        ("task: {type: chain}\nmodel: {path: m}\nsteps: 3\n", "steps is 3, and must be a section .* keys separator"),
        ("model: {path: m}\n", "the key 'task.type' is missing"),
        (
            "model: {path: m}\ntask: {train_problems: 3}\n",
            r"the key 'task.type' is missing; known: chain, calculator, eurus, math",
        ),
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
