from pathlib import Path
from typing import Any

import pytest
import yaml

from spro.errors import ConfigError
from spro.lab.compare.config import CompareConfig, flatten, load_compare, nested, pick_out
from spro.lab.compare.folder import opened_folder
from spro.lab.compare.plan import make_plan
from spro.settings import load_config


def loaded(**settings: Any) -> CompareConfig:
    return CompareConfig.model_validate(settings)


def test_keys_with_points_are_sections() -> None:
    assert nested({"credit.type": "spro", "credit": {"beta": 1}, "a": {"b.c": 2}}) == {
        "credit": {"type": "spro", "beta": 1},
        "a": {"b": {"c": 2}},
    }
    with pytest.raises(ValueError, match="a value and a section at once"):
        nested({"a": 1, "a.b": 2})


@pytest.mark.parametrize(
    "value", [1e-5, 1.0, 3, True, None, "text", "1e-5", [1, "a: b"], [{"path": "x"}], {}, "", "#", "'"]
)
def test_words_say_the_same_as_the_settings(value: Any) -> None:
    (word,) = flatten({"a": {"b": value}})
    key, _, text = word.partition("=")
    assert key == "a.b"
    assert yaml.safe_load(text) == value
    assert "\n" not in text


def test_names_stand_for_credit_methods() -> None:
    config = loaded(methods=["grpo", "spro"])
    assert config.methods == {"grpo": {"credit": {"type": "grpo"}}, "spro": {"credit": {"type": "spro"}}}
    assert (config.labels, config.reference) == (("grpo", "spro"), "grpo")
    assert loaded(methods="grpo, spro", seeds="0,1") == loaded(methods=["grpo", "spro"], seeds=[0, 1])
    assert loaded(methods="grpo", seeds=3) == loaded(methods=["grpo"], seeds=[3])
    assert loaded(methods={"mine": None}).methods == {"mine": {}}


def test_methods_are_laid_over_what_all_share() -> None:
    run = {"credit": {"type": "spro", "beta": 0.2}, "train.steps": 7}
    methods = {
        "same": None,
        "other": {"credit.type": "grpo"},
        "less": {"credit.beta": 0.1},
        "lora": {"model.lora": {"rank": 4}},
    }
    plan = make_plan(loaded(run=run, methods=methods), ["train.prompts_per_step=16"])
    assert {(one.train.steps, one.train.prompts_per_step) for one in plan.methods.values()} == {(7, 16)}
    assert plan.methods["same"].credit.hyper_parameters["beta"] == 0.2
    assert plan.methods["less"].credit.hyper_parameters["beta"] == 0.1
    # Another type drops what the old one was set to.
    assert "beta" not in plan.methods["other"].credit.hyper_parameters
    assert plan.methods["lora"].model.lora is not None
    # What nobody set is that of the lab run.
    lab = load_config(None, ())
    assert plan.methods["other"].optimizer == lab.optimizer


def test_a_run_may_stand_in_a_file_beside_the_comparison(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("task: {type: chain}\nmodel: {path: 'builtin:chain'}\ntrain: {steps: 9}\n")
    (tmp_path / "compare.yaml").write_text("run: run.yaml\nmethods: [spro, grpo]\n")
    config, words = load_compare(tmp_path / "compare.yaml", ["run.train.prompts_per_step=8", "seeds=[4]"])
    plan = make_plan(config, words)
    assert (config.seeds, plan.base.train.steps, plan.base.train.prompts_per_step) == ((4,), 9, 8)


def test_a_seed_of_files_may_not_hold_out_what_another_trains_on(tmp_path: Path) -> None:
    task = {"type": "math", "path": "rows.jsonl", "held_out_problems": 5}
    run = {"task": task, "model": {"path": "builtin:chain"}}
    with pytest.raises(ConfigError, match="what one seed holds out another trains on"):
        make_plan(loaded(run=run, methods=["grpo"]), ())
    assert make_plan(loaded(run=run, methods=["grpo"], seeds=[7]), ()).problems_seed == 7
    apart = {**run, "task": {**task, "held_out_problems": 0, "held_out_path": "other.jsonl"}}
    assert make_plan(loaded(run=apart, methods=["grpo"], seeds=[7]), ()).problems_seed == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"verify.math.boxes": "all_equal"},
        {"verify.function": {"path": "grader.mine"}},
        {"verify": {}},
        {"rollout.max_prompt_length": 16},
        {"rollout.max_response_length": 16},
        {"rollout.temperature": 0.5},
    ],
)
def test_no_method_chooses_who_grades_it_and_what_it_is_asked(settings: dict[str, Any]) -> None:
    (key,) = settings
    shared = "verify" if key.startswith("verify") else key
    with pytest.raises(ConfigError, match=rf"methods\.mine sets {shared}, which all methods share"):
        make_plan(loaded(methods={"mine": settings}), ())


@pytest.mark.parametrize("line", ["seed: 3", "run_dir: runs/mine"])
def test_a_run_in_a_file_does_not_bring_what_the_comparison_gives(tmp_path: Path, line: str) -> None:
    (tmp_path / "run.yaml").write_text(f"task: {{type: chain}}\nmodel: {{path: 'builtin:chain'}}\n{line}\n")
    (tmp_path / "compare.yaml").write_text("run: run.yaml\nmethods: [spro, grpo]\n")
    config, words = load_compare(tmp_path / "compare.yaml")
    with pytest.raises(ConfigError, match=rf"run \(.*run\.yaml\) sets {line.partition(':')[0]}, which the comparison"):
        make_plan(config, words)


FILES = {
    "task": {"type": "math", "path": "rows.jsonl", "held_out_problems": 5},
    "model": {"path": "builtin:chain"},
}


def test_other_seeds_do_not_change_the_problems_that_all_are_measured_on(tmp_path: Path) -> None:
    def begun(name: str, run: dict[str, Any], seeds: list[int], resume: bool) -> None:
        config = loaded(run=run, methods=["grpo"], seeds=seeds)
        task = make_plan(config, ()).base.task
        with opened_folder(config, task, tmp_path / name, resume):
            pass

    begun("files", FILES, [0], resume=False)
    settings = (tmp_path / "files/compare.yaml").read_text()
    with pytest.raises(ConfigError, match=r"cannot go on: seeds is \[1\], and the comparison was begun with \[0\]"):
        begun("files", FILES, [1], resume=True)
    assert (tmp_path / "files/compare.yaml").read_text() == settings
    begun("files", FILES, [0], resume=True)
    begun("lab", {}, [0], resume=False)
    begun("lab", {}, [1, 2], resume=True)


def test_the_next_free_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pick_out(loaded(methods=["grpo"]), "chain") == Path("comparisons/chain-001")
    Path("comparisons/chain-001").mkdir(parents=True)
    assert pick_out(loaded(methods=["grpo"]), "chain") == Path("comparisons/chain-002")
    assert pick_out(loaded(methods=["grpo"], out="x"), "chain") == Path("x")
