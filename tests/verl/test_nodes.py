"""Ray on two nodes of one machine: the plug-in comes by its entry point into the workers of both."""

import pytest
import torch
from plain import padded, token_batch
from runs import Runs

from spro.credit import SPRO
from spro.loss import SURROGATES


@pytest.mark.parametrize("node", range(2))
def test_import_verl_alone_brings_all_into_a_worker_of_each_node(runs: Runs, node: int) -> None:
    seen = runs.seen("two_nodes")[node]
    assert seen["is_loaded"]
    assert seen["missing"] == []
    assert {"spro", "spro_scaled", "spro_rloo", "rloo", "grpo"} <= set(seen["estimators"])
    assert {f"spro_{name}" for name in SURROGATES} < set(seen["losses"])
    for name, bases in seen["trainers"].items():
        assert bases[:3] == [bases[0], "CreditTrainer", bases[0]], name
    assert set(seen["trainers"]) == {"sync", "colocate_async", "separate_async"}


def test_they_are_two_nodes(runs: Runs) -> None:
    one, other = runs.seen("two_nodes")
    assert one["node"] != other["node"]
    assert one["pid"] != other["pid"]


def test_a_policy_sharded_over_both_nodes_trains_with_our_credit_and_our_loss(runs: Runs) -> None:
    run = runs("two_nodes")
    assert run.returncode == 0, run.output[-3000:]
    for record, metrics in zip(run.recorded, run.metrics, strict=True):
        batch = token_batch(record, old_log_probs=record["old_log_probs"], ref_log_probs=record["ref_log_prob"])
        torch.testing.assert_close(padded(record["advantages"]), SPRO()(batch), rtol=0, atol=1e-7)
        assert metrics["actor/grad_norm"] > 0
    assert [metrics["credit/msa_std"] > 0 for metrics in run.metrics] == [False, True]


def test_two_ranks_give_the_advantages_of_one(runs: Runs) -> None:
    """At the first step; the batch is then in another order, balanced over the ranks."""
    one, two = (
        dict(zip(runs(name).recorded[0]["keys"], runs(name).recorded[0]["advantages"], strict=True))
        for name in ("spro", "two_nodes")
    )
    assert one.keys() == two.keys()
    for key, advantages in one.items():
        torch.testing.assert_close(two[key], advantages, rtol=0, atol=1e-6)


def test_a_node_without_the_plug_in_is_seen_as_such(runs: Runs) -> None:
    whole, bare = runs.seen("one_node_without")
    assert whole["is_loaded"]
    assert not bare["is_loaded"]
    assert "spro" not in bare["estimators"]
    assert "spro_cispo" not in bare["losses"]
    assert not any("CreditTrainer" in bases for bases in bare["trainers"].values())


def test_a_worker_without_the_plug_in_ends_the_run_and_names_what_it_lacks(runs: Runs) -> None:
    """Ray puts the trainer on either node: where it has the plug-in, the actor on the other node lacks the loss."""
    run = runs("one_node_without")
    assert run.returncode == 1
    assert not run.metrics
    of_the_trainer = "ValueError: Unknown advantage estimator simply: spro"
    of_the_actor = "ValueError: Unsupported loss mode: spro_cispo"
    assert [of_the_trainer in run.output, of_the_actor in run.output].count(True) == 1
