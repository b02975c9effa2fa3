"""The real lm-eval runs an exported task: it asks what ``spro eval`` asks, token for token, and scores it alike."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models import save_model_folder
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

from spro.evaluate import evaluate_command, export_command
from spro.evaluate.samples import prompt_hash

CHAIN = Path(__file__).parents[2] / "src" / "spro" / "assets" / "chain"
ANSWERS = (r"It is \boxed{3}.", r"So \boxed{\frac{10}{2}}", "seven", r"\boxed{9}, or \boxed{10}")
"""What a model is taught to say to what ``write_eurus`` asks: right, right, no answer, wrong."""
TRUTHS = ("3", "5", "7", "9")


def write_eurus(path: Path) -> Path:
    """Four sums in the schema of Eurus-2-RL-Data; texts that a template engine would not leave alone."""
    rows = [
        {
            "data_source": "numina_synthetic_math",
            "prompt": [
                {"role": "system", "content": "Think. {{ prompt }} {% raw %}"},
                {"role": "user", "content": f"What is {i} + {i + 3}? {{{{ 1 }}}} Use \\boxed{{}}.\n"},
            ],
            "ability": "math",
            "reward_model": {"ground_truth": truth, "style": "rule"},
            "extra_info": {"index": i, "split": "dummy"},
        }
        for i, truth in enumerate(TRUTHS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_begin_token(folder: Path) -> None:
    """Let the tokenizer begin every plain text with a token of its own, as Llama's does."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    begin = "<|endoftext|>"
    tokenizer.bos_token = begin
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, tokenizer.convert_tokens_to_ids(begin))]
    )
    tokenizer.save_pretrained(folder)


def teach(folder: Path, prompts: Sequence[Sequence[int]], answers: Sequence[str]) -> None:
    """Train the model to say this, so that its greedy answers hang on no rounding."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ends = tokenizer.eos_token_id
    written = [[*tokenizer.encode(answer, add_special_tokens=False), ends] for answer in answers]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        for prompt, answer in zip(prompts, written, strict=True):
            logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
            torch.nn.functional.cross_entropy(logits, torch.tensor(answer)).backward()
        optimizer.step()
    model.save_pretrained(folder)


def prompts_of(exported: Path, model: Path) -> list[list[int]]:
    """The prompts as lm-eval's own model reads them, through its own code."""
    command = shlex.split((exported / "run.sh").read_text())
    arguments = import_module("lm_eval.utils").simple_parse_args_string(command[command.index("--model_args") + 1])
    has_template = "--apply_chat_template" in command
    harness = import_module("lm_eval.models.huggingface").HFLM(device="cpu", batch_size=1, **arguments)
    manager = import_module("lm_eval.tasks").TaskManager(include_path=str(exported))
    name = command[command.index("--tasks") + 1]
    task = _first(import_module("lm_eval.tasks").get_task_dict([name], manager))
    task.set_fewshot_seed(0)
    task.build_all_requests(
        apply_chat_template=has_template, chat_template=harness.apply_chat_template if has_template else None
    )
    contexts = [request.args[0] for request in task.instances]
    return [harness.tok_batch_encode([context])[0][0].tolist() for context in contexts]


def _first(tasks: Mapping[str, Any]) -> Any:
    """The task of a dictionary that may be nested."""
    (task,) = tasks.values()
    return _first(task) if isinstance(task, Mapping) else task


def run_harness(exported: Path) -> dict[str, dict[str, Any]]:
    """Run the exported command; the samples by problem."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    cache = {"HF_HOME": str(exported / "cache"), "PATH": path}
    done = subprocess.run(
        ["sh", str(exported / "run.sh")], env={**os.environ, **cache}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (samples,) = exported.glob("results/*/samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    return {line["doc"]["problem_id"]: line for line in lines}


def accuracy_of(exported: Path) -> float:
    (results,) = exported.glob("results/*/results_*.json")
    (metrics,) = json.loads(results.read_text())["results"].values()
    return float(metrics["correct,none"])


def compare(tmp_path: Path, model: Path | str, suite: str, *words: str) -> list[dict[str, Any]]:
    """Both harnesses on the same problems: the same prompts, answers and scores. Returns our samples."""
    exported, own = tmp_path / "task", tmp_path / "own"
    assert export_command(str(model), suite, [*words, f"out={exported}"]) == 0
    assert evaluate_command(str(model), suite, [*words, f"out={own}"]) == 0
    samples = [json.loads(line) for line in (own / "samples.jsonl").read_text().splitlines()]
    folder = CHAIN if model == "builtin:chain" else Path(model)
    assert [prompt_hash(ids) for ids in prompts_of(exported, folder)] == [sample["prompt_hash"] for sample in samples]
    others = run_harness(exported)
    assert others.keys() == {sample["problem_id"] for sample in samples}
    for sample in samples:
        other = others[sample["problem_id"]]
        assert other["resps"] == [[sample["response"]]]
        assert other["correct"] == sample["score"]
    result = json.loads((own / "result.json").read_text())
    assert accuracy_of(exported) == pytest.approx(result["all"]["metrics"]["greedy pass@1"]["value"])
    return samples


def test_the_lab_model(tmp_path: Path) -> None:
    samples = compare(tmp_path, "builtin:chain", "chain", "max_problems=24", "rollout.max_response_length=64")
    assert 12 < sum(sample["score"] for sample in samples) <= 24


@pytest.mark.parametrize("begin_token", [False, True], ids=["plain", "with a begin token"])
@pytest.mark.parametrize("chat", [False, True], ids=["no template", "chat template"])
def test_a_suite_of_mathematics(tmp_path: Path, chat: bool, begin_token: bool) -> None:
    model = save_model_folder(tmp_path / "model", "llama", chat)
    if begin_token:
        write_begin_token(model)
    data = write_eurus(tmp_path / "eurus.jsonl")
    words = [f"path={data}", "rollout.max_response_length=48"]
    assert export_command(str(model), "eurus", [*words, f"out={tmp_path / 'first'}"]) == 0
    teach(model, prompts_of(tmp_path / "first", model), ANSWERS)
    samples = compare(tmp_path, model, "eurus", *words)
    assert [sample["response"] for sample in samples] == [*ANSWERS]
    assert [sample["status"] for sample in samples] == ["correct", "correct", "no_answer", "wrong"]
