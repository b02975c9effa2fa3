"""A run of verl with an estimator of its own does not feel that spro is installed."""

import pytest
import torch
from runs import Runs

OF_THE_MACHINE = ("timing", "perf/", "actor/perf/")


def test_both_runs_end_well(runs: Runs) -> None:
    for name in ("grpo", "grpo_beside_spro"):
        assert runs(name).returncode == 0, runs(name).output[-3000:]
        assert len(runs(name).recorded) == len(runs(name).metrics) == 2


@pytest.mark.parametrize("step", range(2))
def test_every_tensor_is_the_same_bit_for_bit(runs: Runs, step: int) -> None:
    without, beside = runs("grpo").recorded[step], runs("grpo_beside_spro").recorded[step]
    assert without.keys() == beside.keys()
    assert without["keys"] == beside["keys"]
    assert "ref_log_prob" not in beside
    for field, rows in without.items():
        if isinstance(rows, list) and isinstance(rows[0], torch.Tensor):
            assert all(torch.equal(one, other) for one, other in zip(rows, beside[field], strict=True)), field


@pytest.mark.parametrize("step", range(2))
def test_every_metric_is_the_same_but_those_of_the_machine(runs: Runs, step: int) -> None:
    without, beside = (
        {name: value for name, value in runs(run).metrics[step].items() if not name.startswith(OF_THE_MACHINE)}
        for run in ("grpo", "grpo_beside_spro")
    )
    assert without == beside
    assert len(without) > 50
