"""One process and two give the same numbers on the same rollouts, with a group across both."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

HERE = Path(__file__).parent


def found_by(ranks: int, out: Path) -> list[dict[str, Any]]:
    # On a port that the launcher takes itself: one that is looked for before may be another's by then.
    launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    launcher += ["--nproc_per_node", str(ranks)]
    command = [sys.executable, *(launcher if ranks > 1 else []), str(HERE / "rank_job.py"), str(out), str(ranks)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(out / f"{rank}.pt", weights_only=False) for rank in range(ranks)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return found_by(1, tmp_path_factory.mktemp("alone"))[0]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return found_by(2, tmp_path_factory.mktemp("together"))


def joined(name: str, together: list[dict[str, Any]], width: int) -> torch.Tensor:
    """The advantages of both processes, under one width."""
    parts = [found[name]["advantages"] for found in together]
    return torch.cat([torch.nn.functional.pad(part, (0, width - part.shape[1])) for part in parts])


@pytest.mark.parametrize("name", ["spro", "spro_whitened", "lambda_grpo"])
def test_the_advantages_are_those_of_one_process(
    name: str, alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    ours = alone[name]["advantages"]
    widths = [found[name]["advantages"].shape[1] for found in together]
    assert widths[0] > widths[1], "the processes were meant to differ in width"
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(joined(name, together, ours.shape[1]), ours, rtol=1e-5, atol=1e-5)


def test_the_metrics_are_those_of_one_process_in_both(alone: dict[str, Any], together: list[dict[str, Any]]) -> None:
    for found in together:
        for name in ("credit/advantage_std", "credit/msa_std", "credit/outcome_std", "kl", "verify/unscored_fraction"):
            assert found["spro"]["metrics"][name] == pytest.approx(alone["spro"]["metrics"][name], rel=1e-4), name
    assert alone["spro"]["metrics"]["verify/unscored_fraction"] > 0


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
def test_two_steps_end_at_the_same_weights(
    loss_type: str, alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    for found in together:
        for name, weight in alone[loss_type].items():
            torch.testing.assert_close(found[loss_type][name], weight, rtol=1e-3, atol=1e-4)


def test_the_filter_is_refused_where_a_group_straddles_processes(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    assert "refusal" not in alone
    for found in together:
        assert "the accuracy filter wants whole groups in each process, and 6 responses" in found["refusal"]
        assert "num_generations=4" in found["refusal"]


def test_the_filter_keeps_whole_groups_of_each_process_and_counts_the_tokens_of_all(
    together: list[dict[str, Any]],
) -> None:
    kept = [found["filtered"] for found in together]
    assert [len(one["advantages"]) for one in kept] == [4, 4]
    tokens = sum(int(one["trained_mask"].sum()) for one in kept)
    assert [int(one["num_items_in_batch"]) for one in kept] == [tokens, tokens]


def test_the_tokens_of_unscored_responses_count_in_no_process(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    tokens = int(alone["spro"]["num_items_in_batch"])
    assert tokens == int(alone["spro"]["trained_mask"].sum()) < int(alone["spro"]["completion_mask"].sum())
    assert [int(found["spro"]["num_items_in_batch"]) for found in together] == [tokens, tokens]
    assert sum(int(found["spro"]["trained_mask"].sum()) for found in together) == tokens


def test_two_processes_resume_exactly(together: list[dict[str, Any]]) -> None:
    for found in together:
        assert all(torch.equal(found["straight"][name], found["resumed"][name]) for name in found["straight"])
