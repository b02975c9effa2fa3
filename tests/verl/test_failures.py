"""What goes wrong in a run of verl ends it, soon, with a line that names the cause; what can be borne does not."""

import torch
from launch import Finished
from plain import padded, token_batch
from runs import Runs

from spro.credit import GRPO


def has_line(run: Finished, *texts: str) -> bool:
    return any(all(text in line for text in texts) for line in run.output.splitlines())


def test_an_unknown_estimator_is_named_with_the_nearest_before_a_model_is_loaded(runs: Runs) -> None:
    run = runs("unknown_estimator")
    assert run.returncode == 1
    assert has_line(run, "ConfigError: algorithm.adv_estimator is 'sproo'; did you mean 'spro'?")
    assert "WorkerDict" not in run.output


def test_a_misspelled_hyper_parameter_is_named_with_the_nearest_before_a_model_is_loaded(runs: Runs) -> None:
    run = runs("misspelled_key")
    assert run.returncode == 1
    assert has_line(run, "ConfigError", "algorithm.spro.bta", "beta")
    assert "WorkerDict" not in run.output


def test_a_reward_that_raises_leaves_its_response_out_of_the_group(runs: Runs) -> None:
    """It is not a wrong answer: with a score of 0 in its place the advantages of the others would be other ones."""
    record = runs("raising_reward").recorded[0]
    is_padding = torch.tensor(record["is_padding"])
    rows = [row for row, padding in enumerate(record["is_padding"]) if not padding]
    assert 4 < len(rows) < 16
    graded = {name: [value[row] for row in rows] for name, value in record.items() if isinstance(value, list)}
    advantages = padded(record["advantages"])
    # At the first step the policy is the reference, and SPRO is GRPO.
    expected = GRPO()(token_batch(graded))
    torch.testing.assert_close(advantages[rows], expected, rtol=0, atol=1e-7)
    assert expected.abs().max() > 0.5
    assert is_padding.any()
    assert not advantages[is_padding].any()


def test_a_reward_that_always_raises_ends_the_run(runs: Runs) -> None:
    run = runs("raising_reward")
    assert run.returncode == 1
    assert len(run.recorded) == len(run.metrics) == 1
    assert has_line(run, "ArithmeticError: no reward for")
    assert has_line(run, "RuntimeError", "no materializable trajectories")


def test_a_killed_worker_ends_the_run(runs: Runs) -> None:
    run = runs("window")
    # How many of a thousand come before the kill depends on the machine.
    assert 2 <= len(run.metrics) < 1000
    assert run.returncode == 1, "it hung, or it was never killed"
    assert has_line(run, "ActorDiedError")
