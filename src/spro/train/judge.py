"""What a response is worth: a verdict, and the reward that is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from spro.errors import WorkerError
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
    """

    text: str
    verdict: Verdict
    reward: float | None


@dataclass(frozen=True)
class WeightedFunction:
    """A reward function and what its number counts."""

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
    """

    grader: Grader
    tokenizer: PreTrainedTokenizerBase
    penalty: OverlongPenalty
    functions: tuple[WeightedFunction, ...] = ()
    verifier: str | None = None

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
        verdicts = self.grader.grade(answers)
        bonuses = [0.0] * len(answers)
        for weighted in self.functions:
            verdicts = self._add(weighted, answers, verdicts, bonuses)
        return [
            Judged(
                answer.response,
                verdict,
                None if verdict.score is None else verdict.score + bonus + self.penalty(len(answer.token_ids)),
            )
            for answer, verdict, bonus in zip(answers, verdicts, bonuses, strict=True)
        ]

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

    def _add(
        self,
        weighted: WeightedFunction,
        answers: Sequence[Answer],
        verdicts: list[Verdict],
        bonuses: list[float],
    ) -> list[Verdict]:
        """Add one function's numbers to ``bonuses``; returns the verdicts, unscored where it failed."""
        graded = [row for row, verdict in enumerate(verdicts) if verdict.score is not None]
        given = [
            replace(answers[row], columns={**answers[row].columns, "score": verdicts[row].score}) for row in graded
        ]
        try:
            numbers = weighted.function(given)
        except WorkerError as error:
            lost = Verdict(None, Status.UNSCORED, detail=one_line(str(error)))
            return [verdict if verdict.score is None else lost for verdict in verdicts]
        for row, number in zip(graded, numbers, strict=True):
            bonuses[row] += weighted.weight * (number or 0.0)
        return verdicts
