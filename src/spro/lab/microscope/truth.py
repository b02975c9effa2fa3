"""What the methods are held against: the exact truth of the lab task, and Monte-Carlo advantages of the policy.

Rows are the responses of all groups, in the order of the groups.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from transformers import PreTrainedTokenizerBase

from spro.lab.microscope.chain_truth import token_texts, token_truth
from spro.train.group import Group
from spro.train.steps import step_starts
from spro.train.vine import StateValue, StepValues

Rows = tuple[tuple[float, ...], ...]
"""One number a token of each response."""
ERRORS = 2.0
"""A Monte-Carlo advantage speaks where it is more than so many standard errors from 0."""


@dataclass(frozen=True)
class ExactTruth:
    """What is so of each token, computed.

    Attributes:
        name: of files.
        title: for a reader.
        values: one a token.
    """

    name: ClassVar[str] = "exact"
    title: ClassVar[str] = "truth, exact"
    values: Rows

    @property
    def speaks(self) -> tuple[tuple[bool, ...], ...]:
        """Where the truth is not 0."""
        return tuple(tuple(value != 0 for value in row) for row in self.values)

    def of(self, rows: Sequence[int]) -> "ExactTruth":
        """The truth of some responses."""
        return ExactTruth(tuple(self.values[row] for row in rows))


@dataclass(frozen=True)
class SampledTruth:
    """What is so of each token, as far as continuations tell.

    Attributes:
        name: of files.
        values: one a token; 0 where a tool wrote.
        errors: standard errors of ``values``.
        samples: continuations that each state was to have.
    """

    name: ClassVar[str] = "monte_carlo"
    values: Rows
    errors: Rows
    samples: int

    @property
    def title(self) -> str:
        """For a reader."""
        return f"truth, {self.samples} continuations a state"

    @property
    def speaks(self) -> tuple[tuple[bool, ...], ...]:
        """Where the truth is away from 0 beyond its error."""
        return tuple(
            tuple(abs(value) > ERRORS * error for value, error in zip(row, beside, strict=True))
            for row, beside in zip(self.values, self.errors, strict=True)
        )

    def of(self, rows: Sequence[int]) -> "SampledTruth":
        """The truth of some responses."""
        values, errors = (tuple(numbers[row] for row in rows) for numbers in (self.values, self.errors))
        return replace(self, values=values, errors=errors)


Truth = ExactTruth | SampledTruth


def exact_truth(groups: Sequence[Group], tokenizer: PreTrainedTokenizerBase) -> ExactTruth:
    """Of chain arithmetic; see ``token_truth``."""
    rows = []
    for group in groups:
        expression = group.prompt.problem.messages[0]["content"].removesuffix("?")
        for response, score in zip(group.responses, group.scores, strict=True):
            texts = token_texts(tokenizer, response.token_ids)
            rows.append(tuple(map(float, token_truth(expression, texts, score))))
    return ExactTruth(tuple(rows))


def exact_step_rewards(truth: ExactTruth, groups: Sequence[Group]) -> list[list[float]]:
    """1 for each step behind which the response stands right, else -1: what an exact judge of steps would say.

    Args:
        truth: of the responses of the groups.
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
    truth: SampledTruth
    lost: int


def monte_carlo_truth(groups: Sequence[Group], values: StepValues, seed: int) -> Continued:
    """A(s, step) = V(s behind the step) - V(s before it), on the tokens of the step.

    V is the mean score of the responses that go on from a state and could be graded, and their number gives its error;
    behind the last step stands the score itself. Members of a group share the state before the first step, and its
    error.

    Args:
        groups: graded, and split into what counts as a step.
        values: samples the continuations; its rewards must lie in [0, 1], where v (1 - v) bounds their variance.
        seed: of the continuations.
    """
    rolled = values.roll_out(groups, seed)
    kept, advantages, errors = [], [], []
    for place, (group, rows) in enumerate(zip(groups, rolled.states, strict=True)):
        if rows is None:
            continue
        kept.append(place)
        assert group.step_ids is not None
        for response, score, step_ids, states in zip(group.responses, group.scores, group.step_ids, rows, strict=True):
            found = _advantages(states, score)
            advantages.append(_on_tokens([value for value, _ in found], step_ids, response.written))
            errors.append(_on_tokens([error for _, error in found], step_ids, response.written))
    truth = SampledTruth(tuple(advantages), tuple(errors), values.samples)
    return Continued(tuple(kept), truth, len(rolled.unscored))


def _advantages(states: Sequence[StateValue], score: float) -> list[tuple[float, float]]:
    """Advantage and its standard error, a step."""
    behind = [*((state.mean, _error(state)) for state in states[1:]), (score, 0.0)]
    return [
        (after - before.mean, math.hypot(after_error, _error(before)))
        for before, (after, after_error) in zip(states, behind, strict=True)
    ]


def _error(state: StateValue) -> float:
    """Of a mean score; from (k + 1) / (n + 2), so that no state counts as known that always led to the same."""
    drawn = (state.mean * state.graded + 1) / (state.graded + 2)
    return math.sqrt(drawn * (1 - drawn) / state.graded)


def _on_tokens(of_steps: Sequence[float], step_ids: Sequence[int], written: Sequence[bool]) -> tuple[float, ...]:
    return tuple(of_steps[step] if by_policy else 0.0 for step, by_policy in zip(step_ids, written, strict=True))
