"""What becomes of a tool's tokens behind the engine: none of them counts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spro.credit import GRPO
from spro.models import load_policy
from spro.settings import load_config
from spro.train.experience import Experience, gather_experience
from spro.train.group import Group
from spro.train.metrics import credit_metrics
from spro.train.run_folder import RunFolder
from spro.train.tool_use import tool_metrics
from tests.unit.train.builders import make_group


def with_masks(group: Group, *masks: tuple[bool, ...] | None) -> Group:
    """The group with responses in which a tool wrote."""
    responses = tuple(
        replace(response, response_mask=mask, rollout_log_probs=tuple(-float(w) for w in mask)) if mask else response
        for response, mask in zip(group.responses, masks, strict=True)
    )
    return replace(group, responses=responses)


W, T = True, False


def test_calls_are_counted_by_their_answers() -> None:
    first = with_masks(make_group(0, [1.0, 0.0, 0.0], [6, 3, 2]), (W, T, T, W, T, W), (T, W, W), None)
    assert tool_metrics([first, make_group(1, [1.0])]) == {"tools/call_frequency": pytest.approx(3 / 4)}


def test_a_run_without_tools_logs_nothing_of_them() -> None:
    assert tool_metrics([make_group(0, [1.0, 0.0])]) == {}
    assert tool_metrics([]) == {}


def experience_of(groups: list[Group]) -> Experience:
    """With old log-probs that equal the sampler's, and are nonsense where a tool wrote."""
    experience = gather_experience(groups, frozenset(), 0, torch.device("cpu"))
    old = experience.rollout_log_probs.masked_fill(~experience.batch.response_mask, -50.0)
    return experience.with_tensor("old_log_probs", old)


@pytest.fixture
def groups() -> list[Group]:
    return [with_masks(make_group(0, [1.0, 0.0], [4, 3]), (W, T, T, W), (T, W, W)), make_group(1, [1.0, 0.0], [1, 2])]


def test_a_tools_tokens_are_off_the_mask_of_the_batch(groups: list[Group]) -> None:
    mask = experience_of(groups).batch.response_mask
    assert mask.tolist() == [[W, T, T, W], [T, W, W, False], [W, False, False, False], [W, W, False, False]]


def test_the_sampler_is_compared_with_the_trainer_where_the_policy_wrote(groups: list[Group]) -> None:
    experience = experience_of(groups)
    metrics = credit_metrics(experience, GRPO().assign(experience.batch))
    assert metrics["rollout/log_prob_diff_max"] == metrics["rollout/log_prob_diff_mean"] == 0


def test_the_samples_say_which_tokens_are_a_tools(tmp_path: Path, groups: list[Group]) -> None:
    experience = experience_of(groups)
    folder = RunFolder(tmp_path / "run", load_config(None, []))
    tokenizer = load_policy("builtin:chain", "cpu").tokenizer
    folder.log_rollouts(1, groups, experience, GRPO().assign(experience.batch), tokenizer)
    lines = [json.loads(line) for line in (tmp_path / "run/rollouts/step-000001.jsonl").read_text().splitlines()]
    assert [line["response_mask"] for line in lines] == [[W, T, T, W], [T, W, W], None, None]
    assert [line["advantages"][1] == 0 for line in lines[:2]] == [True, False]
