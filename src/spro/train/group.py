"""Responses to one prompt, with what was said of them."""

from dataclasses import dataclass

from spro.rollout import Response
from spro.tasks import Prompt
from spro.train.compute import Work
from spro.train.judge import Judged
from spro.verify import Status, Verdict


@dataclass(frozen=True, slots=True)
class Unscored:
    """An answer that could not be graded, and why."""

    problem_id: str
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Group:
    """One prompt and its graded responses; they stay together to the end of the step.

    Attributes:
        prompt: what was asked.
        responses: what the policy wrote.
        judged: what each is worth, and why.
        step_ids: step of each token of each response, once they are split.
        greedy_reward: reward of the greedy response to the prompt, once it is asked for.
        step_values: mean reward from where each step of each response begins, once that is rolled out.
    """

    prompt: Prompt
    responses: tuple[Response, ...]
    judged: tuple[Judged, ...]
    step_ids: tuple[tuple[int, ...], ...] | None = None
    greedy_reward: float | None = None
    step_values: tuple[tuple[float, ...], ...] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The responses as the verifier read them."""
        return tuple(judged.text for judged in self.judged)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the verifier said of each response."""
        return tuple(judged.verdict for judged in self.judged)

    @property
    def rewards(self) -> tuple[float, ...]:
        """Rewards of the responses that could be graded."""
        return tuple(judged.reward for judged in self.judged if judged.reward is not None)

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of the responses that could be graded."""
        return tuple(verdict.score for verdict in self.verdicts if verdict.score is not None)

    @property
    def mean_score(self) -> float:
        """The group's accuracy, over the responses that could be graded; 0 if none could."""
        return sum(self.scores) / max(len(self.scores), 1)

    @property
    def unscored(self) -> list[Unscored]:
        """The responses that could not be graded."""
        return [
            Unscored(self.prompt.problem.problem_id, text, verdict.detail)
            for text, verdict in zip(self.texts, self.verdicts, strict=True)
            if verdict.status is Status.UNSCORED
        ]

    def scored(self) -> "Group":
        """The group without the responses that could not be graded: failed is not wrong."""
        kept = [i for i, verdict in enumerate(self.verdicts) if verdict.status is not Status.UNSCORED]
        return Group(self.prompt, tuple(self.responses[i] for i in kept), tuple(self.judged[i] for i in kept))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a preparation makes of groups.

    Attributes:
        groups: with more said of them, without those of which it could not be said.
        unscored: the further answers that could not be graded; at least one if a group is left out.
        work: of sampling further answers.
    """

    groups: list[Group]
    unscored: list[Unscored]
    work: Work = Work()
