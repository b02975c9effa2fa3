"""``algorithm.adv_estimator=spro`` on verl's stock config gives the numbers of ``SPRO`` on the same rollouts."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from launch import TIMEOUT, environment
from plain import log_probs, model_in, padded, token_batch
from runs import Runs
from torch import Tensor

from spro.credit import GRPO, SPRO
from spro.models import load_policy

STEPS = range(3)


@dataclass(frozen=True)
class Step:
    """A recorded step, and its log-probs by plain transformers: of the policy then and of the first policy."""

    record: dict[str, Any]
    old: list[Tensor]
    ref: list[Tensor]

    @property
    def advantages(self) -> Tensor:
        return padded(self.record["advantages"])


@pytest.fixture(scope="module")
def steps(runs: Runs) -> list[Step]:
    run = runs("spro")
    first = model_in(runs.folder / "model")
    saved = [run.run / f"checkpoints/global_step_{step}/actor/huggingface" for step in (1, 2)]
    policies = [first, *map(model_in, saved)]
    with torch.no_grad():
        return [
            Step(record, log_probs(policy, record), log_probs(first, record))
            for record, policy in zip(run.recorded, policies, strict=True)
        ]


def test_one_override_is_enough(runs: Runs) -> None:
    run = runs("spro")
    assert run.returncode == 0, run.output[-3000:]
    assert len(run.metrics) == len(run.recorded) == len(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_the_advantages_are_those_of_plain_transformers_and_our_function(steps: list[Step], step: int) -> None:
    now = steps[step]
    batch = token_batch(now.record, old_log_probs=now.old, ref_log_probs=now.ref)
    torch.testing.assert_close(now.advantages, SPRO()(batch), rtol=0, atol=1e-5)


@pytest.mark.parametrize("step", STEPS)
def test_on_the_log_probs_of_verl_the_advantages_are_ours_to_the_last_bits(steps: list[Step], step: int) -> None:
    record = steps[step].record
    batch = token_batch(record, old_log_probs=record["old_log_probs"], ref_log_probs=record["ref_log_prob"])
    torch.testing.assert_close(steps[step].advantages, SPRO()(batch), rtol=0, atol=1e-7)


def test_at_the_first_step_the_reference_is_the_policy_and_the_credit_that_of_grpo(steps: list[Step]) -> None:
    record = steps[0].record
    for old, ref in zip(record["old_log_probs"], record["ref_log_prob"], strict=True):
        assert torch.equal(old, ref)
    torch.testing.assert_close(steps[0].advantages, GRPO()(token_batch(record)), rtol=0, atol=0)
    assert steps[0].advantages.abs().max() > 0.5


@pytest.mark.parametrize("step", STEPS[1:])
def test_from_the_second_step_on_tokens_of_a_response_differ(steps: list[Step], step: int) -> None:
    record = steps[step].record
    assert (steps[step].advantages - GRPO()(token_batch(record))).abs().max() > 0.01


def test_the_policy_learned(steps: list[Step], runs: Runs) -> None:
    assert all(metrics["actor/grad_norm"] > 0 for metrics in runs("spro").metrics)
    gaps = [max(float((old - ref).abs().max()) for old, ref in zip(now.old, now.ref, strict=True)) for now in steps]
    assert gaps[0] == 0
    assert 0.1 < gaps[1] < gaps[2]


def test_the_reference_costs_no_reward(runs: Runs) -> None:
    for metrics in runs("spro").metrics:
        assert metrics["critic/rewards/mean"] == metrics["critic/score/mean"]
    assert [metrics["actor/reward_kl_penalty_coeff"] for metrics in runs("spro").metrics] == [0, 0, 0]


def test_the_metrics_of_our_credit_are_logged(steps: list[Step], runs: Runs) -> None:
    for now, metrics in zip(steps, runs("spro").metrics, strict=True):
        mask = padded(now.record["response_mask"]).bool()
        expected = float(now.advantages[mask].std(correction=0))
        assert metrics["credit/advantage_std"] == pytest.approx(expected, abs=1e-6)
    assert runs("spro").metrics[0]["credit/msa_std"] == 0
    assert runs("spro").metrics[1]["credit/msa_std"] > 0.01


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(runs: Runs) -> None:
    """verl loads the reference from ``actor_rollout_ref.model.path``, so it is the first policy and not the resumed."""
    straight, resumed = runs("spro"), runs("resumed")
    assert resumed.returncode == 0, resumed.output[-3000:]
    assert [record["step"] for record in resumed.recorded] == [3]
    for field in ("responses", "old_log_probs", "ref_log_prob", "advantages"):
        pairs = zip(straight.recorded[2][field], resumed.recorded[0][field], strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs), field


def test_a_checkpoint_of_verl_opens_in_plain_transformers_and_in_spro(runs: Runs) -> None:
    """verl's export is exact, as the advantages above show; its tool that merges shards rounds to bfloat16."""
    actor = runs("spro").run / "checkpoints/global_step_3/actor"
    merged = runs("spro").run / "merged"
    merge = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
    done = subprocess.run(
        [*merge, "--local_dir", str(actor), "--target_dir", str(merged)],
        env=environment(merged, {}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, exported, opened = (model_in(f) for f in (runs.folder / "model", actor / "huggingface", merged))
    rounded = {name: weight.bfloat16().float() for name, weight in exported.state_dict().items()}
    assert opened.state_dict().keys() == rounded.keys()
    assert all(torch.equal(weight, rounded[name]) for name, weight in opened.state_dict().items())
    ids = torch.arange(2, 18)[None]
    with torch.no_grad():
        before, after, logits = (model(ids).logits for model in (first, exported, opened))
    with torch.no_grad():
        here = load_policy(str(actor / "huggingface"), device="cpu").model(ids).logits
    torch.testing.assert_close(here, after, rtol=0, atol=1e-6)
    torch.testing.assert_close(logits, after, rtol=0.1, atol=0.1)
    assert (after - before).abs().max() > 1
