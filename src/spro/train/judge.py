"""What a response is worth: a verdict, and the reward that is made of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from transformers import PreTrainedTokenizerBase

from spro.errors import RewardError, WorkerError
from spro.tasks import Prompt
from spro.train.reward import OverlongPenalty
from spro.verify import Answer, Grader, RewardFunction, Status, Verdict, one_line

Written = tuple[Prompt, Sequence[int]]
"""A prompt and the tokens of one response to it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One judged response.

    Attributes:
        text: of the response, without special tokens, as the verifier read it.
        verdict: what the verifier said of it.
        reward: what it is worth; None exactly when it could not be graded.
        parts: what each reward function said, unweighted, by its name; None where it does not apply.
    """

    text: str
    verdict: Verdict
    reward: float | None
    parts: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightedFunction:
    """A reward function, its name among those of the run, and what its number counts."""

    name: str
    function: RewardFunction
    weight: float


@dataclass(frozen=True)
class Judge:
    """Grades responses and adds to the scores what the settings say.

        reward = score + sum of weight * function + penalty(length)

    Attributes:
        grader: grades.
        tokenizer: of the policy.
        penalty: on length.
        functions: a number of ``None`` adds nothing; where one fails, the responses of the call are unscored.
        verifier: judges in place of those that the problems name; None for those.
        check: called while answers are graded; what it raises ends that.
    """

    grader: Grader
    tokenizer: PreTrainedTokenizerBase
    penalty: OverlongPenalty
    functions: tuple[WeightedFunction, ...] = ()
    verifier: str | None = None
    check: Callable[[], None] = lambda: None

    @property
    def of_scores_alone(self) -> "Judge":
        """The same without reward functions, for what is measured and not learned from."""
        return replace(self, functions=())

    def __call__(self, written: Sequence[Written]) -> list[Judged]:
        """One judgement for each response, in their order.

        Raises:
            RewardError: see ``Grader.grade`` and ``RewardFunction``.
        """
        answers = [self._answer(prompt, token_ids) for prompt, token_ids in written]
        judged = [
            Judged(answer.response, verdict, _with_penalty(verdict.score, self.penalty(len(answer.token_ids))))
            for answer, verdict in zip(answers, self.grader.grade(answers, self.check), strict=True)
        ]
        for weighted in self.functions:
            judged = _with_function(weighted, answers, judged)
        return judged

    def _answer(self, prompt: Prompt, token_ids: Sequence[int]) -> Answer:
        problem = prompt.problem
        columns: Mapping[str, object] = {
            **problem.columns,
            "problem_id": problem.problem_id,
            "data_source": problem.data_source,
        }
        return Answer(
            self.verifier or problem.verifier,
            self.tokenizer.decode(token_ids, skip_special_tokens=True),
            problem.ground_truth,
            problem.messages,
            token_ids,
            columns,
        )


def _with_penalty(score: float | None, penalty: float) -> float | None:
    return None if score is None else score + penalty


def _with_function(weighted: WeightedFunction, answers: Sequence[Answer], judged: Sequence[Judged]) -> list[Judged]:
    """Add one function's numbers to the rewards; where it fails, what it was asked about is unscored."""
    graded = [row for row, one in enumerate(judged) if one.reward is not None]
    asked = [
        replace(answers[row], columns={**answers[row].columns, "score": judged[row].verdict.score}) for row in graded
    ]
    try:
        numbers = dict(zip(graded, weighted.function(asked), strict=True))
    except WorkerError as error:
        lost = Verdict(None, Status.UNSCORED, detail=one_line(str(error)))
        return [one if one.reward is None else Judged(one.text, lost, None) for one in judged]
    return [one if one.reward is None else _with_number(one, weighted, numbers[row]) for row, one in enumerate(judged)]


def _with_number(one: Judged, weighted: WeightedFunction, number: float | None) -> Judged:
    assert one.reward is not None
    reward = one.reward + weighted.weight * (number or 0.0)
    if not math.isfinite(reward):
        raise RewardError(f"the reward of a response is {reward}, with {number} of {weighted.name!r} in it")
    return replace(one, reward=reward, parts={**one.parts, weighted.name: number})
