"""The advantages are those of the credit method on log-probs that plain transformers computes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tiny import (
    GROUP,
    WIDTH,
    by_letters,
    copy_of,
    llama,
    log_probs_of,
    moved,
    recorded,
    scored_once,
    spro_trainer,
    token_batch,
)

from spro.credit import GRPO, METHODS, SPRO
from spro.errors import ConfigError
from spro.plugins.trl.limits import GIVEN

RUNNABLE = sorted(name for name, method in METHODS.items() if method.needs <= GIVEN)
REFUSED = sorted(METHODS.keys() - set(RUNNABLE))


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_advantages_of_every_method_are_ours(name: str, tmp_path: Path) -> None:
    method = METHODS[name]()
    trainer = spro_trainer(tmp_path, given={"credit": method})
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    ours = method(token_batch(batch, initial))
    assert batch["advantages"].shape == batch["completion_ids"].shape
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(batch["advantages"], ours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_method_that_can_run_trains_a_step(name: str, tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, given={"credit": METHODS[name]()}, max_steps=1)
    # At the reference itself a process term alone is 0.
    moved(trainer.model)
    before = [weight.clone() for weight in trainer.model.parameters()]
    trainer.train()
    pairs = zip(before, trainer.model.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)


@pytest.mark.parametrize("name", REFUSED)
def test_a_method_that_needs_more_is_refused_by_name(name: str, tmp_path: Path) -> None:
    fields = METHODS[name].hyper_parameters()
    method = METHODS[name](**{field: 1 for field, default in fields.items() if default == "required"})
    with pytest.raises(ConfigError) as refusal:
        spro_trainer(tmp_path, given={"credit": method})
    message = str(refusal.value)
    assert f"{name!r} needs what TRL cannot give" in message
    assert all(f"{tensor}: it " in message for tensor in method.needs - GIVEN)
    assert "\n" not in message


def test_what_is_no_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="credit is 'spro'; give a credit method"):
        spro_trainer(tmp_path, given={"credit": "spro"})


def test_at_the_first_step_msa_is_0_and_the_advantage_is_that_of_grpo(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path)
    initial = copy_of(trainer.model)
    batch = scored_once(trainer)
    grpo = GRPO()(token_batch(batch, initial))
    assert trainer._metrics["train"]["credit/msa_std"] == [0.0]
    assert trainer._metrics["train"]["kl"] == [0.0]
    assert torch.equal(batch["advantages"], grpo)


def test_the_reference_stays_the_initial_policy_while_training(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, max_steps=3)
    initial = copy_of(trainer.model)
    batches = recorded(trainer)
    trainer.train()
    for step, batch in enumerate(batches):
        ours = SPRO().assign(token_batch(batch, initial))
        torch.testing.assert_close(batch["advantages"], ours.advantages, rtol=1e-5, atol=1e-5)
        assert (float(ours.terms["msa"].abs().max()) > 1e-3) == (step > 0)


def test_the_metrics_are_ours_by_name_and_number(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path)
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    tokens = token_batch(batch, initial)
    credit, mask = SPRO().assign(tokens), tokens.response_mask
    log_ratio = (tokens.ref_log_probs - tokens.old_log_probs)[mask]
    logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    assert logged["credit/advantage_std"] == pytest.approx(float(credit.advantages[mask].std(correction=0)), rel=1e-4)
    assert logged["credit/msa_std"] == pytest.approx(float(credit.terms["msa"][mask].std(correction=0)), rel=1e-4)
    assert logged["credit/outcome_std"] == pytest.approx(
        float(credit.terms["outcome"][mask].std(correction=0)), rel=1e-4
    )
    assert logged["kl"] == pytest.approx(float((log_ratio.exp() - 1 - log_ratio).mean()), rel=1e-3)
    assert logged["kl"] > 0
    assert logged["verify/unscored_fraction"] == 0


@pytest.mark.parametrize("settings", [{"num_iterations": 2}, {"steps_per_generation": 2}], ids=str)
def test_with_several_updates_the_log_probs_of_trl_are_those_of_the_rollout(
    settings: dict[str, int], tmp_path: Path
) -> None:
    trainer = spro_trainer(tmp_path, max_steps=4, **settings)
    initial = copy_of(trainer.model)
    batches = recorded(trainer)
    trainer.train()
    assert len(batches) == 2
    for batch in batches:
        assert "old_per_token_logps" in batch
        ours = SPRO()(token_batch(batch, initial))
        torch.testing.assert_close(batch["advantages"], ours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("credit", "settings", "reads"),
    [
        (SPRO(), {}, 2),
        (SPRO(), {"num_iterations": 2}, 2),
        (SPRO(), {"num_iterations": 2, "beta": 0.1}, 2),
        (GRPO(), {}, 0),
    ],
    ids=str,
)
def test_policy_and_reference_are_read_once_each_and_only_if_wanted(
    credit: Any, settings: dict[str, Any], reads: int, tmp_path: Path
) -> None:
    trainer = spro_trainer(tmp_path, given={"credit": credit}, **settings)
    calls, read = [], trainer._get_per_token_logps_and_entropies

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return read(*args, **kwargs)

    trainer._get_per_token_logps_and_entropies = counted
    scored_once(trainer)
    assert len(calls) == reads


def test_the_rewards_are_the_weighted_sum_of_trl(tmp_path: Path) -> None:
    def length(completions: list[str], **_: Any) -> list[float | None]:
        return [None if place % 3 == 0 else float(len(text)) for place, text in enumerate(completions)]

    trainer = spro_trainer(tmp_path, reward=[by_letters, length], reward_weights=[2.0, 0.5])
    batch = scored_once(trainer)
    rewards = batch["rewards"] * torch.tensor([2.0, 0.5])
    batch["rewards"] = rewards.nansum(dim=1, keepdim=True)
    torch.testing.assert_close(batch["advantages"], GRPO()(token_batch(batch, copy_of(trainer.model))))


def test_the_tokens_of_a_tool_have_no_credit_and_are_not_averaged(tmp_path: Path) -> None:
    completions = torch.randint(2, 12, (2 * GROUP, WIDTH), generator=torch.Generator().manual_seed(3)).tolist()
    wrote = [[1, 1, 0, 0, 1, 1], [1] * 6] * GROUP

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        ids = trainer.processing_class(prompts)["input_ids"]
        zeros = [[0.0] * WIDTH] * len(prompts)
        return {"prompt_ids": ids, "completion_ids": completions, "logprobs": zeros, "env_mask": wrote}

    trainer = spro_trainer(tmp_path, given={"rollout_func": rollout})
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    tokens = token_batch(batch, initial)
    assert tokens.response_mask.tolist() == [[bool(one) for one in row] for row in wrote]
    torch.testing.assert_close(batch["advantages"], SPRO()(tokens), rtol=1e-5, atol=1e-5)
    assert (batch["advantages"][::2, 2:4] == 0).all()


def test_a_rollout_at_another_temperature_is_scored_at_it(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, temperature=0.5)
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    heads = [initial.lm_head, batch["policy"].lm_head]
    for head in heads:
        head.weight.data.div_(0.5)
    ours = SPRO()(token_batch(batch, initial))
    torch.testing.assert_close(batch["advantages"], ours, rtol=1e-5, atol=1e-5)


def test_gradient_checkpointing_changes_nothing(tmp_path: Path) -> None:
    weights = []
    for checkpointing in (False, True):
        trainer = spro_trainer(tmp_path / str(checkpointing), max_steps=2, gradient_checkpointing=checkpointing)
        trainer.train()
        weights.append(dict(trainer.model.named_parameters()))
    assert max((a - b).abs().max() for a, b in zip(weights[0].values(), weights[1].values(), strict=True)) < 1e-5


def test_in_bfloat16_the_first_step_is_that_of_grpo_too(tmp_path: Path) -> None:
    """TRL's default: float32 weights under autocast, where rounding would show if the two were read differently."""
    trainer = spro_trainer(tmp_path, max_steps=2, bf16=True)
    trainer.train()
    process = [line["credit/msa_std"] for line in trainer.state.log_history if "credit/msa_std" in line]
    assert process[0] == 0
    assert process[1] > 1e-3


def test_a_response_that_is_masked_for_its_length_has_no_credit_and_counts_in_its_group(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, mask_truncated_completions=True)
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    is_masked = batch["completion_mask"].sum(dim=1) == 0
    assert 0 < is_masked.sum() < 2 * GROUP
    torch.testing.assert_close(batch["advantages"], SPRO()(token_batch(batch, initial)), rtol=1e-5, atol=1e-5)
    assert (batch["advantages"][is_masked] == 0).all()


def test_an_evaluation_has_the_credit_of_its_own_groups(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, num_generations_eval=2, per_device_eval_batch_size=4)
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batches = recorded(trainer)
    trainer.model.eval()
    rows = [{"prompt": prompt} for prompt in ("abc", "abc", "bca", "bca")]
    trainer._generate_and_score_completions(rows)
    ours = SPRO()(token_batch(batches[0], initial, group=2))
    torch.testing.assert_close(batches[0]["advantages"], ours, rtol=1e-5, atol=1e-5)


def test_an_evaluation_between_steps_logs_its_own_credit(tmp_path: Path) -> None:
    asked = Dataset.from_list([{"prompt": prompt} for prompt in ("abc", "bca")])
    settings = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": GROUP, "max_steps": 2}
    trainer = spro_trainer(tmp_path, given={"eval_dataset": asked}, **settings)
    trainer.train()
    spread = [line["eval_credit/msa_std"] for line in trainer.state.log_history if "eval_credit/msa_std" in line]
    assert len(spread) == 2
    assert min(spread) > 1e-3


def test_the_table_of_completions_shows_the_mean_advantage_of_each_response(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path)
    moved(trainer.model)
    batch = scored_once(trainer)
    mask = batch["completion_mask"].bool()
    means = (batch["advantages"] * mask).sum(dim=1) / mask.sum(dim=1)
    assert list(trainer._logs["advantages"]) == pytest.approx(means.tolist())


def test_log_probs_of_the_test_are_those_of_transformers(tmp_path: Path) -> None:
    """Of the helper: two heads that would agree by mistake are told apart."""
    trainer = spro_trainer(tmp_path)
    batch = scored_once(trainer)
    other = log_probs_of(llama(seed=1), batch)
    assert (log_probs_of(batch["policy"], batch) - other).abs().max() > 0.1
