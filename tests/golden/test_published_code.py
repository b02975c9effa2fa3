"""Our methods against numbers that the published code of their papers produced.

That code is on no package index. It was run once, on random batches, at the commit that each file names; what is kept
are the numbers. Of verl and TRL, which can be installed, `make parity` runs the code itself.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from spro.credit import METHODS, TokenBatch
from spro.credit.methods.pure import PURE
from spro.credit.sources import tokens_a_step

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
FLOATS = {"outcome_rewards", "prm_log_probs", "ref_log_probs", "step_rewards", "step_values"}
EXACT = ["prime_repository", "prime_recipe", "pure_return_baseline", "lambda_grpo", "vineppo"]
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((GOLDEN / f"{name}.json").read_text())["cases"]


def batch_of(case: dict[str, Any]) -> TokenBatch:
    return TokenBatch(
        **{
            name: torch.tensor(values, dtype=torch.float64 if name in FLOATS else None)
            for name, values in case["batch"].items()
        }
    )


def numbers(case: dict[str, Any], name: str = "advantages") -> Tensor:
    return torch.tensor(case[name], dtype=torch.float64)


def with_biased_deviation(advantages: Tensor, batch: TokenBatch) -> Tensor:
    """Whitened with n in place of n - 1 tokens, as PURE's ``NaiveReplayBuffer.normalize`` does."""
    count = batch.response_mask.sum()
    return advantages * (count / (count - 1)).sqrt()


def test_every_file_is_compared() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*EXACT, "pure", "pure_step_baseline"}


@pytest.mark.parametrize("name", EXACT)
def test_advantages_are_those_of_the_published_code(name: str) -> None:
    for case in cases(name):
        torch.testing.assert_close(METHODS[name](**case["method"])(batch_of(case)), numbers(case), **TOLERANCE)


def test_pure_step_baseline_but_for_the_deviation() -> None:
    """PURE divides by the biased deviation; ours is verl's ``masked_whiten``, unbiased."""
    for case in cases("pure_step_baseline"):
        batch = batch_of(case)
        ours = METHODS["pure_step_baseline"](**case["method"])(batch)
        torch.testing.assert_close(with_biased_deviation(ours, batch), numbers(case), **TOLERANCE)
        assert not torch.allclose(ours, numbers(case), atol=1e-3)


class WithoutTheLastToken(PURE):
    """``num_tokens_per_step`` of PURE's ``make_experience``: the separator, and the last token of all, do not count.

    Ours counts every token of a step: a step of one token, such as a tool call's, would have no baseline otherwise.
    """

    def baseline(self, batch: TokenBatch, rewards: Tensor) -> Tensor:
        length = tokens_a_step(batch.step_ids, batch.response_mask, batch.step_mask)
        return super().baseline(batch, rewards) * (length - 1) / length.clamp(min=1)


def test_pure_but_for_the_deviation_and_the_last_token_of_each_step() -> None:
    for case in cases("pure"):
        batch = batch_of(case)
        ours = WithoutTheLastToken(**case["method"])(batch)
        torch.testing.assert_close(with_biased_deviation(ours, batch), numbers(case), **TOLERANCE)
        counted = METHODS["pure"](**case["method"])(batch)
        assert not torch.allclose(with_biased_deviation(counted, batch), numbers(case), atol=1e-3)


@pytest.mark.parametrize("name", ["pure", "pure_step_baseline"])
def test_by_default_pure_gives_the_last_token_of_a_step_nothing_and_ours_does(name: str) -> None:
    """``nomask_separator_adv`` is off by default; the numbers in ``advantages`` are those with it on."""
    for case in cases(name):
        batch = batch_of(case)
        follows = torch.nn.functional.pad(batch.step_ids[:, 1:], (0, 1), value=-1)
        is_step_end = batch.response_mask & (follows != batch.step_ids)
        assert (numbers(case, "advantages_by_default")[is_step_end] == 0).all()
        assert (METHODS[name](**case["method"])(batch)[is_step_end] != 0).any()
