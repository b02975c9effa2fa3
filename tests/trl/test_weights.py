"""Checkpoints move freely: TRL's to transformers and spro, spro's to TRL."""

from pathlib import Path

import pytest
import torch
from tiny import llama, spro_trainer, tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from spro.models import Policy, load_policy, save_model

IDS = torch.tensor([[2, 3, 4, 5, 6, 7]])


@pytest.mark.parametrize("kind", ["checkpoint", "final"])
def test_what_was_trained_opens_in_transformers_and_in_spro(kind: str, tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, max_steps=2, save_strategy="steps", save_steps=2)
    trainer.train()
    folder = tmp_path / "checkpoint-2"
    if kind == "final":
        folder = tmp_path / "final"
        trainer.save_model(str(folder))
    trained = trainer.model.eval()(IDS).logits
    assert (trained - llama().eval()(IDS).logits).abs().max() > 0.1
    assert torch.equal(AutoModelForCausalLM.from_pretrained(folder).eval()(IDS).logits, trained)
    policy = load_policy(str(folder), "cpu", "float32")
    assert torch.equal(policy.model(IDS).logits, trained)
    assert policy.tokenizer.get_vocab() == AutoTokenizer.from_pretrained(folder).get_vocab() == tokenizer().get_vocab()


def test_what_spro_wrote_trains_in_trl(tmp_path: Path) -> None:
    save_model(tmp_path / "ours", Policy(llama(seed=4), tokenizer(), (1,), 0, "memory"))
    trainer = spro_trainer(tmp_path / "run", str(tmp_path / "ours"), max_steps=1)
    held = trainer.reference.model.state_dict()
    assert all(torch.equal(weight, held[name]) for name, weight in llama(seed=4).state_dict().items())
    trainer.train()
    assert trainer.state.global_step == 1
