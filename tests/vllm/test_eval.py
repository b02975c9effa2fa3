"""`spro eval` with vLLM through the command line: the answers of the trainer's own decode loop, and a resume."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

import vllm

CHAIN = Path(__file__).parents[2] / "src" / "spro" / "assets" / "chain"
VLLM = ("rollout.engine=vllm", "vllm.cpu_kv_cache_gib=0.25")
ASKED = (
    "--suite", "chain", "max_problems=12", "problems_at_once=4", "samples=2", "temperature=1.0",
    "rollout.max_response_length=16",
)  # fmt: skip
ENGINES = ("vllm", "local")
AT_ONCE = 4 * 3
"""Answers that are written together: of four problems one greedy and two sampled."""


def evaluate(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spro.cli", "eval", "model", *words],
        cwd=folder, env={**os.environ}, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def answers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def texts(samples: Sequence[Mapping[str, Any]], kind: str) -> list[tuple[str, str]]:
    return [(one["problem_id"], one["response"]) for one in samples if one["kind"] == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model that has an answer of its own to every problem, asked once through each engine."""
    place = tmp_path_factory.mktemp("evaluations")
    # vLLM on a CPU has no kernel for heads as narrow as those of the lab's own model.
    config = Qwen2Config(
        vocab_size=18, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, eos_token_id=1, pad_token_id=0, bos_token_id=None,
        tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(0, 0.2)
    model.save_pretrained(place / "model")
    AutoTokenizer.from_pretrained(CHAIN).save_pretrained(place / "model")
    evaluate(place, *ASKED, *VLLM, "out=vllm")
    evaluate(place, *ASKED, "out=local")
    return place


def test_its_greedy_answers_are_those_of_the_decode_loop(folder: Path) -> None:
    found, expected = (texts(answers(folder / name), "greedy") for name in ENGINES)
    assert found == expected
    assert len({response for _, response in found}) > 6, "or equal answers would show nothing"


def test_its_samples_differ_and_are_reproducible_across_a_stop(folder: Path) -> None:
    whole = answers(folder / "vllm")
    sampled = texts(whole, "sampled")
    assert len(set(sampled)) == len(sampled) == 24
    begun = folder / "begun"
    begun.mkdir()
    for name in ("config.yaml", "identity.json"):
        text = (folder / "vllm" / name).read_text()
        (begun / name).write_text(text.replace("out: vllm", "out: begun"))
    lines = (folder / "vllm" / "samples.jsonl").read_text().splitlines(keepends=True)
    (begun / "samples.jsonl").write_text("".join(lines[:AT_ONCE]) + lines[AT_ONCE][:40])
    evaluate(folder, "out=begun", "--resume")
    assert answers(begun) == whole


def test_its_result_names_the_engine_and_its_version(folder: Path) -> None:
    for name in ENGINES:
        result = json.loads((folder / name / "result.json").read_text())
        assert result["asked"]["engine"] == name
        assert result["versions"].get("vllm") == (vllm.__version__ if name == "vllm" else None)
