"""What is asked: one problem, and what became of the rows that were read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict


class Message(TypedDict):
    """One turn of a chat, in the form that chat templates read."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to ask, and what a verifier needs to judge the answer.

    Attributes:
        problem_id: unique within its task; names the row it came from where there is one.
        messages: the prompt as a chat. A task without chat has one ``user`` message.
        ground_truth: what the verifier compares with, as the data gives it.
        verifier: the verifier's name among those of ``spro.train.grading``.
        data_source: where the problem comes from; metrics may be split by it.
        columns: further fields of its row, which a reward function asked for.
    """

    problem_id: str
    messages: tuple[Message, ...]
    ground_truth: str
    verifier: str
    data_source: str
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class LoadReport:
    """How many rows were kept and why the others were not; says so in one line."""

    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first_skipped: dict[str, str] = field(default_factory=dict)

    def skip(self, reason: str, where: str) -> None:
        """Count a row that cannot be used; the first of each reason is remembered by place."""
        self.skipped[reason] += 1
        self.first_skipped.setdefault(reason, where)

    def __str__(self) -> str:
        reasons = [
            f"{count} skipped: {reason} (first: {self.first_skipped[reason]})" for reason, count in self.skipped.items()
        ]
        return "; ".join([f"{self.kept} problems", *reasons])


@dataclass(frozen=True, slots=True)
class Tool:
    """What the policy may call in the middle of a response; ``spro.rollout.ToolEngine`` does what it says.

    Attributes:
        call_end: how the text of the token ends that ends a call.
        answer: (prompt and response so far, which end in a call) -> what the tool writes behind it. Hostile text must
            neither raise nor cost more than any other.
        max_calls: in a response.
    """

    call_end: str
    answer: Callable[[str], str]
    max_calls: int


@dataclass(frozen=True, slots=True)
class TaskData:
    """What a task consists of.

    Attributes:
        train: the problems to train on.
        held_out: those never trained on.
        report: of their loading.
        tool: that all of them may use, if there is one.
    """

    train: tuple[Problem, ...]
    held_out: tuple[Problem, ...]
    report: LoadReport
    tool: Tool | None = None
