"""The accuracy filter with oversampling, and a surrogate of ours as verl's policy loss, in one run.

Its worker is killed after the second step, see ``test_failures.py``.
"""

from typing import Any

import pytest
import torch
from cpu_host.rollout import sampled_response
from plain import log_probs, model_in, padded, token_batch
from runs import Runs
from tiny import score, tokenizer
from torch import Tensor

from spro.credit import RLOO
from spro.loss import SURROGATES

LOW, HIGH = 0.3, 0.6
GROUPS, GROUP = 4, 4


@pytest.fixture(scope="module")
def record(runs: Runs) -> dict[str, Any]:
    """The first step, of which the weights are known."""
    return steps_of(runs)[0][0]


def steps_of(runs: Runs) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """What the first two steps recorded, and their metrics."""
    run = runs("window")
    assert len(run.metrics) >= 2, run.output[-3000:]
    return list(zip(run.recorded, run.metrics, strict=False))[:2]


@pytest.fixture(scope="module")
def accuracies(runs: Runs) -> list[float]:
    """Of the eight prompts that the first step draws; the sampler is deterministic, so they can be drawn once more."""
    model, text = model_in(runs.folder / "model"), tokenizer()
    found = []
    for index in range(2 * GROUPS):
        prompt = text(f"{index}+{index + 1}=").input_ids
        responses = [sampled_response(model, prompt, 12, 1.0, 0, session)[0] for session in range(GROUP)]
        solutions = [text.decode(response, skip_special_tokens=True) for response in responses]
        found.append(sum(score("sums", solution, "") for solution in solutions) / GROUP)
    return found


def test_those_in_the_window_come_first_and_others_fill_up(record: dict[str, Any], accuracies: list[float]) -> None:
    inside = [index for index, accuracy in enumerate(accuracies) if LOW <= accuracy <= HIGH]
    outside = [index for index in range(2 * GROUPS) if index not in inside]
    assert inside
    assert outside
    expected = [f"prompt{index:04d}" for index in sorted([*inside, *outside][:GROUPS])]
    assert list(dict.fromkeys(record["uid"])) == expected
    # A filter that does nothing keeps the first four.
    assert expected != [f"prompt{index:04d}" for index in range(GROUPS)]


def test_a_step_trains_on_whole_groups_only(runs: Runs) -> None:
    for record, metrics in steps_of(runs):
        assert len(record["keys"]) == GROUPS * GROUP
        assert not any(record["is_padding"])
        assert metrics["filter/groups"] == GROUPS


def test_the_share_inside_is_logged(runs: Runs, accuracies: list[float]) -> None:
    inside = sum(LOW <= accuracy <= HIGH for accuracy in accuracies)
    assert runs("window").metrics[0]["filter/in_window_fraction"] == min(inside, GROUPS) / GROUPS


def test_the_next_step_draws_what_was_not_drawn_yet(runs: Runs) -> None:
    first, second = (set(record["uid"]) for record, _ in steps_of(runs))
    assert min(second) >= "prompt0008" > max(first)


def test_an_estimator_beside_one_of_verl_is_ours(runs: Runs) -> None:
    for record, _ in steps_of(runs):
        torch.testing.assert_close(padded(record["advantages"]), RLOO()(token_batch(record)), rtol=0, atol=1e-6)


def loss_of(model: torch.nn.Module, record: dict[str, Any]) -> Tensor:
    """CISPO, token-mean, with the gradient; verl's radius is 0.2 at both ends."""
    current = padded(log_probs(model, record))
    mask = padded(record["response_mask"]).bool()
    surrogate = SURROGATES["cispo"](clip_ratio_low=0.2, clip_ratio_high=0.2)
    return -surrogate(current, current.detach(), padded(record["advantages"]), mask)[mask].mean()


def test_the_actor_descends_on_our_surrogate(runs: Runs, record: dict[str, Any]) -> None:
    model = model_in(runs.folder / "model")
    loss = loss_of(model, record)
    loss.backward()
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
    metrics = runs("window").metrics[0]
    assert metrics["actor/pg_loss"] == pytest.approx(float(loss), abs=1e-5)
    assert metrics["actor/grad_norm"] == pytest.approx(float(norm), rel=1e-4)
