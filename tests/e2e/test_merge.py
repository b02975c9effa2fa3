"""A LoRA checkpoint as a whole model, through the command line."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from tests.e2e.command import SMALL, spro


def test_a_merged_checkpoint_is_the_model_with_its_adapters(tmp_path: Path) -> None:
    done = spro("train", *SMALL, "model.lora={rank: 4}", "evaluate.every=0", "run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checkpoint = "run/checkpoints/step-3"
    done = spro("merge", checkpoint, "whole", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
    tokens = torch.tensor([[5, 14, 7, 15, 9]])
    adapted, merged = (
        AutoModelForCausalLM.from_pretrained(tmp_path / folder)(tokens).logits for folder in (checkpoint, "whole")
    )
    torch.testing.assert_close(merged, adapted, rtol=0, atol=1e-4)
    assert not (tmp_path / "whole" / "adapter_config.json").exists()
    for words, reason in (
        ((checkpoint, "whole"), "'whole' exists already"),
        (("run", "other"), "is no whole checkpoint of a run"),
    ):
        refused = spro("merge", *words, cwd=tmp_path)
        assert refused.returncode == 2
        assert reason in refused.stderr
    assert spro("train", *SMALL, "model.path=whole", "train.steps=1", "run_dir=next", cwd=tmp_path).returncode == 0


def test_a_whole_model_is_not_merged(tmp_path: Path) -> None:
    assert spro("train", *SMALL, "train.steps=1", "evaluate.every=0", "run_dir=run", cwd=tmp_path).returncode == 0
    refused = spro("merge", "run/checkpoints/step-1", "whole", cwd=tmp_path)
    assert refused.returncode == 2
    assert "it is a whole model as it is" in refused.stderr
