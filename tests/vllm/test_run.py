"""A whole run with vLLM through the command line: pushes, canary, evaluation, checkpoint, resume."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

CHAIN = Path(__file__).parents[2] / "src" / "spro" / "assets" / "chain"


def test_a_run_trains_evaluates_saves_and_goes_on(tmp_path: Path) -> None:
    # vLLM on a CPU has no kernel for heads as narrow as those of the lab's own model.
    config = Qwen2Config(
        vocab_size=18, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, eos_token_id=1, pad_token_id=0, bos_token_id=None,
        tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(CHAIN).save_pretrained(tmp_path / "model")
    words = [
        "train", "rollout.engine=vllm", "vllm.cpu_kv_cache_gib=0.25", "model.path=model", "run_dir=run",
        "train.prompts_per_step=2", "task.train_problems=32", "task.held_out_problems=4", "evaluate.every=1",
        "rollout.max_response_length=16", "log.checkpoint_every=1", "optimizer.learning_rate=1e-3",
    ]  # fmt: skip
    for steps in (1, 3):
        done = subprocess.run(
            [sys.executable, "-m", "spro.cli", *words, f"train.steps={steps}", "--resume"],
            cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    assert "going on behind step 1" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2, 3]
    for line in lines[1:]:
        assert 0 < line["rollout/canary_diff_mean"] < 1e-4
        assert 0 < line["rollout/log_prob_diff_mean"] < 1e-4
        assert abs(line["rollout_is_weight"] - 1) < 1e-3
        assert line["grad_norm"] > 0
    assert (tmp_path / "run" / "checkpoints" / "step-3" / "model.safetensors").is_file()
