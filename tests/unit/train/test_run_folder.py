"""What a run leaves on the disk."""

import hashlib
import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from spro.credit import SPRO
from spro.errors import RunFolderError
from spro.models import load_policy
from spro.settings import load_config
from spro.train.checkpoint import newest_checkpoint, save_checkpoint
from spro.train.run_folder import RunFolder, pick_run_dir
from tests.unit.train.builders import make_group, make_scorer


def test_a_checkpoint_is_whole_and_opens_with_plain_transformers(tmp_path: Path) -> None:
    policy = load_policy("builtin:chain", "cpu")
    folder = save_checkpoint(tmp_path, policy, 12)
    assert folder == tmp_path / "step-12"
    assert [path.name for path in tmp_path.iterdir()] == ["step-12"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    for name, entry in manifest.items():
        content = (folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert not [path for path in folder.iterdir() if path.suffix not in (".safetensors", ".json", ".jinja")]
    AutoModelForCausalLM.from_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).decode([5, 12]) == "3+"


def test_several_chat_templates(tmp_path: Path) -> None:
    policy = load_policy("builtin:chain", "cpu")
    policy.tokenizer.chat_template = {"default": "{{ messages }}", "tool_use": "{{ tools }}"}
    folder = save_checkpoint(tmp_path, policy, 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "additional_chat_templates/tool_use.jinja" in manifest


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for name in ("step-2", "step-10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "step-99").mkdir()
    (tmp_path / ".writing-step-100").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "step-10"


def test_an_existing_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    config = load_config(None, [])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(RunFolderError, match="exists already"):
        RunFolder(tmp_path / "run", config)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["precious"]


def test_the_default_folder_is_the_next_free_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(None, [])
    (tmp_path / "runs" / "chain-spro-001").mkdir(parents=True)
    assert pick_run_dir(config) == Path("runs/chain-spro-002")


def test_samples_hold_every_token_with_its_credit(tmp_path: Path) -> None:
    policy = load_policy("builtin:chain", "cpu")
    groups = [make_group(0, [1.0, 0.0]), make_group(1, [0.5, 0.0])]
    experience = make_scorer(policy.model, SPRO.needs).score(groups, policy.pad_token_id)
    credit = SPRO().assign(experience.batch)
    advantages, terms = credit.advantages, credit.terms
    folder = RunFolder(tmp_path / "run", load_config(None, []))
    folder.log_rollouts(3, groups[:1], experience, credit, policy.tokenizer)
    lines = [json.loads(line) for line in (tmp_path / "run/rollouts/step-000003.jsonl").read_text().splitlines()]
    assert [(line["group"], line["problem_id"]) for line in lines] == [(0, "p0"), (0, "p0")]
    for row, line in enumerate(lines):
        length = len(groups[0].responses[row].token_ids)
        assert line["advantages"] == advantages[row, :length].tolist()
        assert line["terms"] == {name: values[row, :length].tolist() for name, values in terms.items()}
        assert len(line["tokens"]) == len(line["old_log_probs"]) == len(line["ref_log_probs"]) == length
        assert line["verdict"]["score"] == groups[0].scores[row]


def test_responses_that_could_not_be_graded_are_kept_for_a_look(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", load_config(None, []))
    folder.log_unscored(1, make_group(0, [1.0, 0.0]).unscored)
    assert not (tmp_path / "run" / "unscored.jsonl").exists()
    unscored = [*make_group(0, [1.0, None]).unscored, *make_group(1, [None] * 20).unscored]
    assert len(unscored) == 21
    folder.log_unscored(2, unscored)
    lines = [json.loads(line) for line in (tmp_path / "run" / "unscored.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert lines[0] == {"step": 2, "problem_id": "p0", "response": "xx", "detail": "the worker died"}
