"""Methods with a critic, and adapters, in verl."""

import pytest
import torch
from plain import log_probs, model_in, padded, token_batch
from runs import Runs

from spro.credit import SPRO
from spro.credit.methods.ppo import PPO

STEPS = range(2)


@pytest.mark.parametrize("name", ["critic", "lora"])
def test_the_run_ends_well(runs: Runs, name: str) -> None:
    run = runs(name)
    assert run.returncode == 0, run.output[-3000:]
    assert len(run.recorded) == len(run.metrics) == len(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_the_advantages_of_ppo_are_made_of_the_values_of_verls_critic(runs: Runs, step: int) -> None:
    record = runs("critic").recorded[step]
    batch, method = token_batch(record, values=record["values"]), PPO(lam=0.5)
    torch.testing.assert_close(padded(record["advantages"]), method(batch), rtol=0, atol=1e-6)
    torch.testing.assert_close(padded(record["returns"]), method.returns(batch), rtol=0, atol=1e-6)
    assert padded(record["values"]).std() > 0.01


def test_ppo_holds_no_reference_and_its_critic_learns(runs: Runs) -> None:
    assert not any("ref_log_prob" in record for record in runs("critic").recorded)
    assert all(metrics["critic/grad_norm"] > 0 for metrics in runs("critic").metrics)


@pytest.mark.parametrize("step", STEPS)
def test_with_adapters_the_reference_is_the_model_without_them(runs: Runs, step: int) -> None:
    record = runs("lora").recorded[step]
    with torch.no_grad():
        first = log_probs(model_in(runs.folder / "model"), record)
    torch.testing.assert_close(padded(record["ref_log_prob"]), padded(first), rtol=0, atol=1e-5)
    batch = token_batch(record, old_log_probs=record["old_log_probs"], ref_log_probs=record["ref_log_prob"])
    torch.testing.assert_close(padded(record["advantages"]), SPRO()(batch), rtol=0, atol=1e-7)


def test_adapters_move_the_policy_from_its_reference(runs: Runs) -> None:
    first, second = (metrics["credit/msa_std"] for metrics in runs("lora").metrics)
    assert first == 0
    assert second > 1e-3
