"""``spro microscope`` as a user runs it, on a model and on a run folder."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from spro.cli import main
from spro.credit import METHODS, TokenBatch
from spro.lab.microscope import rollouts
from spro.report import write_microscope
from tests.e2e.command import SMALL
from tests.models import save_model_folder

FEW = ("prompts=3", "group_size=4", "samples=2", "rollout.max_response_length=24")
CHAIN = str(Path(rollouts.__file__).parents[2] / "assets/chain")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("microscope")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="module")
def prime_run(workplace: Path) -> Path:
    words = (*SMALL, "credit.type=prime", "evaluate.every=0", "run_dir=prime", "log.checkpoint_every=1")
    # At this rate three steps leave a log-ratio that is seen.
    assert main(["train", *words, "prm.learning_rate=1e-3"]) == 0
    return workplace / "prime"


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "measures.json").read_text())
    return found


@torch.no_grad()
def plain_log_probs(model: PreTrainedModel, lines: list[dict[str, Any]], width: int) -> torch.Tensor:
    """One forward of plain transformers a response, without padding."""
    rows = torch.zeros(len(lines), width)
    for row, line in enumerate(lines):
        prompt, response = line["prompt_token_ids"], line["token_ids"]
        logits = model(torch.tensor([prompt + response])).logits[0].log_softmax(-1)
        for t, token_id in enumerate(response):
            rows[row, t] = logits[len(prompt) + t - 1, token_id]
    return rows


def test_a_run_is_scored_as_plain_transformers_and_the_methods_say(prime_run: Path, workplace: Path) -> None:
    names = "spro,grpo,rloo,prime,spro_control_variate,spro_leave_one_out,gpg,reinforce_plus_plus"
    words = (f"methods={names}", "credit.spro.beta=0.7", *FEW, "out=looked")
    assert main(["microscope", "prime", *words]) == 0
    lines = lines_of(workplace / "looked")
    assert len(lines) == 12
    width = max(len(line["token_ids"]) for line in lines)
    policy = AutoModelForCausalLM.from_pretrained(prime_run / "checkpoints/step-3")
    first, judge = (AutoModelForCausalLM.from_pretrained(CHAIN) for _ in range(2))
    trained = load_file(prime_run / "checkpoints/step-3/training/prm_log_probs.safetensors")
    weights = {name.removeprefix("weight/"): w for name, w in trained.items() if name.startswith("weight/")}
    judge.load_state_dict(weights, strict=False)
    judge.tie_weights()

    batch = TokenBatch(
        response_mask=torch.tensor([[t < len(line["token_ids"]) for t in range(width)] for line in lines]),
        group_ids=torch.tensor([line["group"] for line in lines]),
        outcome_rewards=torch.tensor([line["verdict"]["score"] for line in lines]),
        old_log_probs=plain_log_probs(policy, lines, width),
        ref_log_probs=plain_log_probs(first, lines, width),
        prm_log_probs=plain_log_probs(judge, lines, width),
    )
    assert batch.old_log_probs is not None
    assert batch.ref_log_probs is not None
    assert batch.prm_log_probs is not None
    assert (batch.old_log_probs - batch.ref_log_probs).abs().max() > 0.01
    assert (batch.old_log_probs - batch.prm_log_probs).abs().max() > 0.01
    for name in names.split(","):
        method = METHODS[name](beta=0.7) if name == "spro" else METHODS[name]()
        credit = method.assign(batch)
        for row, line in enumerate(lines):
            said, size = line["methods"][name], len(line["token_ids"])
            torch.testing.assert_close(
                torch.tensor(said["advantages"]), credit.advantages[row, :size], atol=1e-5, rtol=1e-4
            )
            total = torch.tensor([said["terms"][term] for term in credit.terms]).sum(dim=0)
            torch.testing.assert_close(total, torch.tensor(said["advantages"]), atol=1e-5, rtol=1e-4)
    assert yaml.safe_load((workplace / "looked/config.yaml").read_text())["credit"]["spro"]["beta"] == 0.7
    assert summary_of(workplace / "looked")["policy"] == "step 3 of prime"


def test_looking_changes_nothing_and_can_be_repeated(prime_run: Path, workplace: Path) -> None:
    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(prime_run.rglob("*")) if path.is_file()}

    before = files()
    words = ("methods=prime,spro,vineppo,remax,grpo_process", *FEW, "step=2")
    assert main(["microscope", "prime", *words, "out=once"]) == 0
    assert main(["microscope", "prime", *words, "out=twice"]) == 0
    assert files() == before
    for name in ("rollouts.jsonl", "measures.json", "measures.csv"):
        assert (workplace / "once" / name).read_bytes() == (workplace / "twice" / name).read_bytes()
    # What a method asks for beside does not change what the others see.
    assert main(["microscope", "prime", "methods=spro", *FEW, "step=2", "out=alone"]) == 0
    for line, alone in zip(lines_of(workplace / "once"), lines_of(workplace / "alone"), strict=True):
        assert (line["token_ids"], line["truths"]) == (alone["token_ids"], alone["truths"])
        assert line["methods"]["spro"] == alone["methods"]["spro"]
    summary = summary_of(workplace / "once")
    assert {m["name"]: m["given"] for m in summary["methods"]} == {
        "prime": "a trained reward model",
        "spro": "",
        "vineppo": "rollouts from every step",
        "remax": "a greedy response",
        "grpo_process": "the truth",
    }
    with (workplace / "once/measures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(summary["measures"]) == 5 * 2 * 7


def test_a_model_alone_has_no_log_ratio_and_says_so(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["microscope", "builtin:chain", *FEW]) == 0
    said = capsys.readouterr().out
    assert said.endswith("microscopes/chain-001/microscope.html\n")
    assert "left out: prime needs prm_log_probs, and a trained reward model is not here" in said
    folder = workplace / "microscopes/chain-001"
    summary = summary_of(folder)
    assert any("every term that is made of their log-ratio is 0" in note for note in summary["notes"])
    assert {one["name"] for one in summary["left_out"]} == {"prime", "ppo"}
    for line in lines_of(folder):
        assert not any(line["methods"]["spro"]["terms"]["msa"])
        true = line["truths"]["exact"]["values"]
        assert sum(true) == line["verdict"]["score"] - 1
    page = (folder / "microscope.html").read_bytes()
    assert write_microscope(folder).read_bytes() == page
    assert len(page) < 5_000_000
    # Nothing may be overwritten, and the next one has the next number.
    assert main(["microscope", "builtin:chain", *FEW, "truth=none", "methods=grpo"]) == 0
    assert (workplace / "microscopes/chain-002").is_dir()
    assert summary_of(workplace / "microscopes/chain-002")["truths"] == []


def test_another_model_is_the_reference(prime_run: Path, workplace: Path) -> None:
    checkpoint = f"{prime_run}/checkpoints/step-3"
    words = ("methods=spro", *FEW, "truth=none", "out=pair", "reference=builtin:chain")
    assert main(["microscope", checkpoint, *words]) == 0
    lines = lines_of(workplace / "pair")
    assert any(any(line["methods"]["spro"]["terms"]["msa"]) for line in lines)
    expected = plain_log_probs(AutoModelForCausalLM.from_pretrained(CHAIN), lines, 24)
    for row, line in enumerate(lines):
        torch.testing.assert_close(
            torch.tensor(line["ref_log_probs"]), expected[row, : len(line["token_ids"])], atol=1e-5, rtol=1e-4
        )


def test_per_token_and_the_calculator(workplace: Path) -> None:
    words = ("task.type=calculator", "prompts=2", "group_size=2", "samples=2", "per=token", "methods=grpo,vineppo")
    assert main(["microscope", "builtin:calculator", *words, "rollout.max_response_length=40", "out=calculator"]) == 0
    summary = summary_of(workplace / "calculator")
    assert [truth["name"] for truth in summary["truths"]] == ["monte_carlo"]
    for line in lines_of(workplace / "calculator"):
        truth = line["truths"]["monte_carlo"]
        assert not any(v for v, by_policy in zip(truth["values"], line["response_mask"], strict=True) if not by_policy)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere/at/all",), "there is no model folder 'nowhere/at/all'"),
        (("prime", "step=7"), "the run 'prime' has no checkpoint of step 7; there are: step-3, step-2"),
        (("prime", "reference=builtin:chain"), "'prime' is a run, which has its own reference"),
        (("builtin:chain", "step=3"), "'builtin:chain' is no run folder, so there is no step=3 of it"),
        (("builtin:chain", "reference=builtin:calculator"), "whose tokens are not those of 'builtin:chain'"),
        (("builtin:chain", "methods=prime"), "no method can be made of 'builtin:chain': prime needs prm_log_probs"),
        (("builtin:chain", "credit.spro.beta=-1"), "credit.spro: beta"),
        (("builtin:chain", "credit.spro.betta=1"), "unknown key 'credit.spro.betta' for the method 'spro'"),
        (("builtin:chain", "rollout.temprature=1"), "unknown key 'rollout.temprature'; did you mean 'temperature'?"),
        (("builtin:calculator", "task.type=calculator", "truth=exact"), "truth is 'exact', and only the task chain"),
        (("builtin:chain", "task.held_out_problems=0"), "the task has no held_out problem to look at"),
        (("builtin:chain", "out=."), "'.' exists already: choose another folder with out=FOLDER"),
        (("builtin:chain", "rollout.max_response_length=4000"), "rollout.max_response_length is 4000"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], message: str, prime_run: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(workplace.iterdir())
    capsys.readouterr()
    assert main(["microscope", *words]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("spro: ")]
    assert len(said) == 1
    assert message in said[0]
    assert sorted(workplace.iterdir()) == before


def test_damaged_runs(prime_run: Path, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = workplace / "damaged"
    shutil.copytree(prime_run, damaged)
    (damaged / "checkpoints/step-3/model.safetensors").write_bytes(b"half")
    assert main(["microscope", "damaged", *FEW, "truth=none", "methods=spro", "out=older"]) == 0
    assert summary_of(workplace / "older")["policy"] == "step 2 of damaged"
    assert main(["microscope", "damaged", *FEW, "step=3"]) == 2
    assert "step-3' cannot be looked at: model.safetensors has 4 bytes" in capsys.readouterr().err

    # The reference is made of the first model again, which must be the one of then.
    save_model_folder(workplace / "other", "llama")
    assert main(["microscope", "prime", *FEW, "model.path=other"]) == 2
    assert "the run began from another model than is in 'other' now" in capsys.readouterr().err
    shutil.rmtree(damaged / "checkpoints")
    assert main(["microscope", "damaged", *FEW]) == 2
    assert "the run 'damaged' has no checkpoint; there are: none" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("reference.type=ema", "reference.decay=0.5"), ("model.lora.rank=4",)])
def test_the_reference_is_the_one_of_the_run(words: tuple[str, ...], workplace: Path) -> None:
    run = words[0].partition(".")[0]
    assert main(["train", *SMALL, "credit.type=spro", "evaluate.every=0", *words, f"run_dir={run}"]) == 0
    assert main(["microscope", run, "methods=spro", *FEW, "truth=none", f"out={run}-looked"]) == 0
    reference = AutoModelForCausalLM.from_pretrained(CHAIN)
    if run == "reference":
        moved = load_file(workplace / run / "checkpoints/step-3/training/ref_log_probs.safetensors")
        reference.load_state_dict(moved, strict=False)
        reference.tie_weights()
    lines = lines_of(workplace / f"{run}-looked")
    expected = plain_log_probs(reference, lines, 24)
    for row, line in enumerate(lines):
        found = torch.tensor(line["ref_log_probs"])
        torch.testing.assert_close(found, expected[row, : len(found)], atol=1e-5, rtol=1e-4)
    assert any(line["old_log_probs"] != line["ref_log_probs"] for line in lines)


def test_a_file_and_a_model_that_gets_nothing_right(workplace: Path) -> None:
    save_model_folder(workplace / "tiny", "qwen2", chat=True)
    rows = [json.dumps({"problem": f"Compute {i} + 1.", "answer": str(i + 1)}) for i in range(3)]
    (workplace / "sums.jsonl").write_text("\n".join(rows))
    words = ("task.type=math", "task.path=sums.jsonl", "rollout.max_response_length=12", "samples=2", "group_size=2")
    assert main(["microscope", "tiny", *words, "out=sums"]) == 2
    assert main(["microscope", "tiny", *words, "split=train", "prompts=5", "out=sums"]) == 0
    summary = summary_of(workplace / "sums")
    assert "There are 3 problems, and 5 were asked for." in summary["notes"]
    assert [truth["name"] for truth in summary["truths"]] == ["monte_carlo"]
    assert all(measure["value"] is None for measure in summary["measures"] if measure["measure"] == "sign")
    assert len(lines_of(workplace / "sums")) == 6
