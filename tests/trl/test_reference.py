"""The reference is the live initial policy, in full training and with LoRA."""

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from tiny import copy_of, llama, log_probs_of, lora, moved, recorded, scored_once, spro_trainer, token_batch

from spro.credit import GRPO, SPRO
from spro.plugins.trl import SPROTrainer


def with_other_weights_at_its_path(folder: Path) -> Any:
    llama(seed=5).save_pretrained(folder)
    model = llama()
    model.config._name_or_path = str(folder)
    return model


def assert_ours(trainer: SPROTrainer, initial: Any, batch: dict[str, Any]) -> None:
    ours = SPRO().assign(token_batch(batch, initial))
    assert ours.terms["msa"].abs().max() > 1e-3
    torch.testing.assert_close(batch["advantages"], ours.advantages, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_the_reference_is_what_is_in_memory_and_not_what_the_config_names(beta: float, tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path / "run", with_other_weights_at_its_path(tmp_path / "other"), beta=beta)
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    assert_ours(trainer, initial, batch)
    if beta:
        reads = batch["ref_per_token_logps"]
        torch.testing.assert_close(reads, log_probs_of(initial, batch) * batch["completion_mask"], rtol=1e-5, atol=1e-5)


def test_trls_penalty_and_the_credit_read_one_reference_once(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, beta=0.04)
    assert (trainer.beta, trainer.args.beta) == (0.04, 0.04)
    assert trainer.ref_model is trainer.reference.model
    reads = []
    trainer.ref_model.register_forward_hook(lambda *_: reads.append(1))
    scored_once(trainer)
    assert len(reads) == 1


def test_a_model_without_a_path_trains_with_a_penalty_and_any_method(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, given={"credit": GRPO()}, beta=0.04, max_steps=2)
    trainer.train()
    assert trainer.reference.model is not None
    assert [line["kl"] > 0 for line in trainer.state.log_history if "kl" in line] == [False, True]


def test_no_reference_is_held_if_nobody_reads_it(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, given={"credit": GRPO()})
    assert trainer.reference is None
    assert trainer.ref_model is None


def test_the_reference_is_a_copy_that_does_not_learn(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, max_steps=2)
    initial = copy.deepcopy(trainer.reference.model.state_dict())
    trainer.train()
    assert not any(weight.requires_grad for weight in trainer.reference.model.parameters())
    after = trainer.reference.model.state_dict()
    assert all(torch.equal(initial[name], after[name]) for name in initial)
    assert not all(torch.equal(initial[name], weight) for name, weight in trainer.model.state_dict().items())


def test_fresh_adapters_are_turned_off_for_the_reference_and_cost_no_copy(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, given={"peft_config": lora()}, max_steps=3)
    assert trainer.reference.model is None
    initial = llama().eval()
    batches = recorded(trainer)
    trainer.train()
    torch.testing.assert_close(batches[0]["advantages"], GRPO()(token_batch(batches[0], initial)))
    assert_ours(trainer, initial, batches[2])
    assert all(weight.requires_grad == ("lora_" in name) for name, weight in trainer.model.named_parameters())


INITIAL_ADAPTERS = {
    "drawn at random": {"init_lora_weights": False},
    "with biases that are trained": {"bias": "all"},
    "with whole modules that are trained": {"modules_to_save": ["lm_head"]},
    "with magnitudes (DoRA)": {"use_dora": True},
    "cut out of the weights (PiSSA)": {"init_lora_weights": "pissa"},
}


@pytest.mark.parametrize(("adapters", "beta"), [*((kind, 0.0) for kind in INITIAL_ADAPTERS), ("drawn at random", 0.04)])
def test_adapters_that_do_something_are_the_reference_with_them(adapters: str, beta: float, tmp_path: Path) -> None:
    given = {"peft_config": lora(**INITIAL_ADAPTERS[adapters])}
    model = llama(attention_bias=True)
    trainer = spro_trainer(tmp_path, model, given=given, max_steps=3, beta=beta, learning_rate=0.02)
    assert trainer.reference.model is not None
    initial = copy_of(trainer.model)
    batches = recorded(trainer)
    trainer.train()
    torch.testing.assert_close(batches[0]["advantages"], GRPO()(token_batch(batches[0], initial)), atol=1e-5, rtol=0)
    assert_ours(trainer, initial, batches[2])


def test_a_copy_with_adapters_shares_the_weights_below_them(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, given={"peft_config": lora(init_lora_weights=False)})
    live, held = dict(trainer.model.named_parameters()), dict(trainer.reference.model.named_parameters())
    shared = {name for name in live if live[name].data_ptr() == held[name].data_ptr()}
    assert shared == {name for name in live if "lora_" not in name}


def test_a_trained_adapter_that_goes_on_learning_is_its_own_reference(tmp_path: Path) -> None:
    model = peft.get_peft_model(llama(), lora())
    moved(model)
    trainer = spro_trainer(tmp_path, model, max_steps=2)
    initial = copy_of(trainer.model)
    batches = recorded(trainer)
    trainer.train()
    assert set(trainer.model.peft_config) == {"default"}
    assert_ours(trainer, initial, batches[1])


def test_frozen_layers_are_shared_with_the_reference(tmp_path: Path) -> None:
    model = llama()
    model.model.embed_tokens.requires_grad_(False)
    trainer = spro_trainer(tmp_path, model, max_steps=2)
    assert trainer.reference.model.model.embed_tokens.weight is model.model.embed_tokens.weight
    initial = copy_of(trainer.model)
    batches = recorded(trainer)
    trainer.train()
    assert_ours(trainer, initial, batches[1])


def test_a_head_in_float32_and_tied_weights_are_read_alike_by_both(tmp_path: Path) -> None:
    model = llama(tie_word_embeddings=True)
    trainer = spro_trainer(tmp_path, model, cast_lm_head_to_fp32=True)
    scored_once(trainer)
    assert trainer._metrics["train"]["credit/msa_std"] == [0.0]
