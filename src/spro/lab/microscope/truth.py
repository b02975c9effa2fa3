"""What the methods are held against: the exact truth of the lab task, and Monte-Carlo advantages of the policy.

Rows are the responses of all groups, in the order of the groups.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from spro.lab.microscope.chain_truth import token_texts, token_truth
from spro.train.group import Group
from spro.train.steps import step_starts
from spro.train.vine import StepValues

Rows = tuple[tuple[float, ...], ...]
"""One number a token of each response."""
ERRORS = 2.0
"""A Monte-Carlo advantage speaks where it is more than so many standard errors from 0."""


@dataclass(frozen=True)
class Truth:
    """What is so of each token.

    Attributes:
        name: of files.
        title: for a reader.
        values: one a token; 0 where a tool wrote.
        errors: standard errors of ``values``; None where these are exact.
    """

    name: str
    title: str
    values: Rows
    errors: Rows | None = None

    @property
    def speaks(self) -> tuple[tuple[bool, ...], ...]:
        """Where the truth is not 0: exactly, or beyond its error."""
        errors = self.errors or tuple((0.0,) * len(row) for row in self.values)
        return tuple(
            tuple(abs(value) > ERRORS * error for value, error in zip(row, beside, strict=True))
            for row, beside in zip(self.values, errors, strict=True)
        )

    def of(self, rows: Sequence[int]) -> "Truth":
        """The truth of some responses."""
        errors = None if self.errors is None else tuple(self.errors[row] for row in rows)
        return replace(self, values=tuple(self.values[row] for row in rows), errors=errors)


def exact_truth(groups: Sequence[Group], tokenizer: PreTrainedTokenizerBase) -> Truth:
    """Of chain arithmetic; see ``token_truth``."""
    rows = []
    for group in groups:
        expression = group.prompt.problem.messages[0]["content"].removesuffix("?")
        for response, score in zip(group.responses, group.scores, strict=True):
            texts = token_texts(tokenizer, response.token_ids)
            rows.append(tuple(map(float, token_truth(expression, texts, score))))
    return Truth("exact", "truth, exact", tuple(rows))


def exact_step_rewards(truth: Truth, groups: Sequence[Group]) -> list[list[float]]:
    """1 for each step behind which the response stands right, else -1: what an exact judge of steps would say.

    Args:
        truth: exact.
        groups: whose responses are split into steps.
    """
    step_ids = [ids for group in groups for ids in group.step_ids or ()]
    return [_stands(row, ids) for row, ids in zip(truth.values, step_ids, strict=True)]


def _stands(truth: Sequence[float], step_ids: Sequence[int]) -> list[float]:
    ends = [*step_starts(step_ids)[1:], len(truth)]
    return [2 * (1 + sum(truth[:end])) - 1 for end in ends]


@dataclass(frozen=True)
class Continued:
    """The Monte-Carlo truth, and of which groups.

    Attributes:
        kept: places of the groups whose every state had a continuation that could be graded.
        truth: of the responses of these.
        lost: continuations that could not be graded.
    """

    kept: tuple[int, ...]
    truth: Truth
    lost: int


def monte_carlo_truth(groups: Sequence[Group], values: StepValues, seed: int) -> Continued:
    """A(s, step) = V(s behind the step) - V(s before it), on the tokens of the step.

    V is the mean score of responses that go on from a state; behind the last step stands the score itself. Members of a
    group share the state before the first step, and its error.

    Args:
        groups: graded, and split into what counts as a step.
        values: samples the continuations; its rewards must lie in [0, 1], where v (1 - v) bounds their variance.
        seed: of the continuations.
    """
    numbered = {group.prompt.problem.problem_id: number for number, group in enumerate(groups)}
    prepared = values(groups, seed)
    kept = tuple(numbered[group.prompt.problem.problem_id] for group in prepared.groups)
    advantages, errors = [], []
    for group in prepared.groups:
        assert group.step_ids is not None
        assert group.step_values is not None
        rows = zip(group.responses, group.scores, group.step_ids, group.step_values, strict=True)
        for response, score, step_ids, states in rows:
            found = _advantages(states, score, values.samples)
            advantages.append(_on_tokens([value for value, _ in found], step_ids, response.written))
            errors.append(_on_tokens([error for _, error in found], step_ids, response.written))
    title = f"truth, {values.samples} continuations a state"
    return Continued(kept, Truth("monte_carlo", title, tuple(advantages), tuple(errors)), len(prepared.unscored))


def _advantages(states: Sequence[float], score: float, samples: int) -> list[tuple[float, float]]:
    """Advantage and its standard error, a step."""
    behind = [*((value, _error(value, samples)) for value in states[1:]), (score, 0.0)]
    return [
        (after - before, math.hypot(after_error, _error(before, samples)))
        for before, (after, after_error) in zip(states, behind, strict=True)
    ]


def _error(value: float, samples: int) -> float:
    """Of a mean score; from (k + 1) / (n + 2), so that no state counts as known that always led to the same."""
    drawn = (value * samples + 1) / (samples + 2)
    return math.sqrt(drawn * (1 - drawn) / samples)


def _on_tokens(of_steps: Sequence[float], step_ids: Sequence[int], written: Sequence[bool]) -> tuple[float, ...]:
    return tuple(of_steps[step] if by_policy else 0.0 for step, by_policy in zip(step_ids, written, strict=True))
