"""What a run leaves on the disk."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from spro.credit import SPRO
from spro.errors import RunFolderError
from spro.models import Policy, load_policy
from spro.settings import load_config
from spro.train.checkpoint import Checkpoints
from spro.train.companions import policy_optimizer
from spro.train.interrupt import StopRequest
from spro.train.run_folder import RunFolder, pick_run_dir
from spro.train.saving import Saving
from spro.train.state import RunState
from tests.unit.train.builders import make_group, make_scorer

CONFIG = load_config(None, [])


def save(folder: Path, policy: Policy, step: int) -> Path:
    saving = Saving(policy, policy_optimizer(CONFIG, policy.model, set(), StopRequest()), ())
    checkpoints = Checkpoints(folder, 2)
    return checkpoints.save(step, saving.size(), lambda aside: saving.write(aside, RunState(step=step)), step)


def test_a_checkpoint_is_whole_and_opens_with_plain_transformers(tmp_path: Path) -> None:
    policy = load_policy("builtin:chain", "cpu")
    folder = save(tmp_path, policy, 12)
    assert folder == tmp_path / "step-12"
    assert [path.name for path in tmp_path.iterdir()] == ["step-12"]
    manifest = json.loads((folder / "manifest.json").read_text())
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(manifest) == found - {"manifest.json"}
    for name, entry in manifest.items():
        content = (folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    plain = [path for path in folder.iterdir() if path.name != "training"]
    assert not [path for path in plain if path.suffix not in (".safetensors", ".json", ".jinja")]
    assert {path.suffix for path in (folder / "training").iterdir()} == {".safetensors", ".json"}
    AutoModelForCausalLM.from_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).decode([5, 12]) == "3+"


def test_several_chat_templates(tmp_path: Path) -> None:
    policy = load_policy("builtin:chain", "cpu")
    policy.tokenizer.chat_template = {"default": "{{ messages }}", "tool_use": "{{ tools }}"}
    folder = save(tmp_path, policy, 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "additional_chat_templates/tool_use.jinja" in manifest


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


def test_one_process_at_a_time_writes_into_a_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", CONFIG)
    folder.log_metrics(0, {"loss": 1.0})
    other = CONFIG.model_copy(update={"seed": 3})
    with pytest.raises(RunFolderError, match=r"another process trains in .*run'; wait for it or end it"):
        RunFolder(tmp_path / "run", other, resume=True)
    assert "seed: 0" in (tmp_path / "run/config.yaml").read_text(), "nothing was written"
    folder.log_metrics(1, {"loss": 2.0})
    folder.close()
    folder.close()
    RunFolder(tmp_path / "run", other, resume=True).close()
    assert "seed: 3" in (tmp_path / "run/config.yaml").read_text()
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 2


def test_the_process_that_dies_lets_the_folder_go(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from spro.settings import load_config; "
        "from spro.train.run_folder import RunFolder; "
        f"RunFolder(Path({str(tmp_path / 'run')!r}), load_config(None, [])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    RunFolder(tmp_path / "run", CONFIG, resume=True).close()


def test_what_a_run_logged_behind_its_checkpoint_is_forgotten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", CONFIG)
    for step in range(5):
        folder.log_metrics(step, {"loss": float(step)})
        folder.log_unscored(step, make_group(0, [1.0, None]).unscored)
        (folder.rollouts / f"step-{step:06d}.jsonl").write_text("{}")
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "loss": 0.')
    folder.cut_back(3, 2)

    def steps(name: str) -> list[int]:
        return [json.loads(line)["step"] for line in (folder.path / name).read_text().splitlines()]

    assert steps("metrics.jsonl") == [0, 1, 2], "step 3 was trained, and not yet measured"
    assert steps("unscored.jsonl") == [0, 1, 2, 3]
    assert {path.name for path in folder.rollouts.iterdir()} == {f"step-{step:06d}.jsonl" for step in range(4)}
    folder.cut_back(-1, -1)
    assert steps("metrics.jsonl") == steps("unscored.jsonl") == []
    assert list(folder.rollouts.iterdir()) == []
