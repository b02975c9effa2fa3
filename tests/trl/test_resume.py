"""Resume is exact, and only with the reference of the run."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from tiny import llama, lora, moved, spro_trainer
from transformers import AutoModelForCausalLM

from spro.credit import GRPO
from spro.errors import ConfigError
from spro.plugins.trl import AccuracyFilter, SPROTrainer
from spro.window import AccuracyWindow

EVERY_2 = {"save_strategy": "steps", "save_steps": 2, "max_steps": 6}
RUNS: dict[str, dict[str, Any]] = {
    "all": {},
    "filtered": {"given": {"accuracy_filter": AccuracyFilter(AccuracyWindow(0.1, 0.3))}},
    "fresh adapters": {"given": {"peft_config": lora()}},
    "adapters that do something": {"given": {"peft_config": lora(init_lora_weights=False)}},
    "with a penalty": {"beta": 0.04},
    "two updates a rollout": {"num_iterations": 2},
}


def state_of(trainer: SPROTrainer) -> dict[str, torch.Tensor]:
    moments = trainer.optimizer.state_dict()["state"]
    state = {f"{key}/{name}": value for key, held in moments.items() for name, value in held.items()}
    return state | dict(trainer.model.state_dict())


@pytest.mark.parametrize("kind", RUNS)
def test_a_resumed_run_ends_where_one_without_a_break_does(kind: str, tmp_path: Path) -> None:
    assert_resumes(2, tmp_path, RUNS[kind] | EVERY_2)


@pytest.mark.parametrize("step", [4, 6], ids=["between two epochs", "within the second epoch"])
def test_a_run_resumes_in_the_order_of_its_epoch(step: int, tmp_path: Path) -> None:
    assert_resumes(step, tmp_path, EVERY_2 | {"max_steps": 10})


def assert_resumes(step: int, folder: Path, settings: dict[str, Any]) -> None:
    straight = spro_trainer(folder, **settings)
    straight.train()
    resumed = spro_trainer(folder, **settings)
    resumed.train(resume_from_checkpoint=str(folder / f"checkpoint-{step}"))
    wanted, got = state_of(straight), state_of(resumed)
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    process = [line["credit/msa_std"] for line in resumed.state.log_history if "credit/msa_std" in line]
    assert process[0] == 0
    assert process[1] > 1e-4


def trained(folder: Path, **settings: Any) -> Path:
    spro_trainer(folder, **({"max_steps": 2, "save_strategy": "steps", "save_steps": 2} | settings)).train()
    return folder / "checkpoint-2"


def refusal_of(trainer: SPROTrainer, checkpoint: Path) -> str:
    with pytest.raises(ConfigError) as refusal:
        trainer.train(resume_from_checkpoint=str(checkpoint))
    message = str(refusal.value)
    assert "\n" not in message
    return message


def test_a_model_loaded_from_the_checkpoint_is_refused_as_the_reference(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    later = AutoModelForCausalLM.from_pretrained(checkpoint)
    message = refusal_of(spro_trainer(tmp_path, later, **EVERY_2), checkpoint)
    assert message.startswith(f"the run saved in {checkpoint} had another reference than this trainer")


def test_an_adapter_loaded_from_the_checkpoint_is_refused_as_the_reference(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path, given={"peft_config": lora()})
    later = peft.PeftModel.from_pretrained(llama(), checkpoint, is_trainable=True)
    assert "had another reference" in refusal_of(spro_trainer(tmp_path, later, **EVERY_2), checkpoint)


def test_the_same_weights_in_another_dtype_are_another_reference(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    assert "had another reference" in refusal_of(spro_trainer(tmp_path, llama().bfloat16(), **EVERY_2), checkpoint)


def test_weights_moved_before_the_trainer_is_built_are_another_reference(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    model = llama()
    moved(model, 1e-6)
    assert "had another reference" in refusal_of(spro_trainer(tmp_path, model, **EVERY_2), checkpoint)


def test_a_checkpoint_of_a_run_without_a_reference_is_refused(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path, given={"credit": GRPO()})
    assert "was saved without a reference" in refusal_of(spro_trainer(tmp_path, **EVERY_2), checkpoint)


def test_a_run_without_a_reference_resumes_from_any_checkpoint(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    trainer = spro_trainer(tmp_path, given={"credit": GRPO()}, **EVERY_2)
    trainer.train(resume_from_checkpoint=str(checkpoint))
    assert trainer.state.global_step == 6
