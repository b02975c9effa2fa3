"""What a verifier is, and what it may offer beside verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from spro.verify.verdict import Verdict


class Verifier(Protocol):
    """Judges one response against its ground truth; a plain function will do."""

    def __call__(self, response: str, ground_truth: str, /) -> Verdict:
        """Judge one response.

        Args:
            response: the whole response, as text.
            ground_truth: what the task gives as the right answer.

        Returns:
            Never an exception for what a response contains: that is data, and has a status.
        """
        ...


@runtime_checkable
class PooledVerifier(Verifier, Protocol):
    """A verifier that does its work in other processes: threads may call it at the same time, and it is closed."""

    def close(self) -> None:
        """End the processes; twice does no harm."""
        ...


@runtime_checkable
class CheckingVerifier(Protocol):
    """A verifier that knows in advance which ground truths it can never compare with."""

    def problem_with(self, ground_truth: str) -> str:
        """Why nothing can be graded against this ground truth; empty when something may be. Cheap."""
        ...


@runtime_checkable
class PreparedVerifier(Protocol):
    """A verifier that needs something of the machine, and can say before the first response whether it is there."""

    def prepare(self) -> str:
        """Make ready; returns one line on what was found.

        Raises:
            UserError: it is not there; one line with the remedy.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One response that wants a verdict.

    Attributes:
        verifier: name of the verifier that the task asks for.
        response: what the policy wrote.
        ground_truth: what the task gives as the right answer, in that verifier's form.
        prompt: the chat that was answered, as messages with ``role`` and ``content``.
        token_ids: of the response.
        columns: further fields of the problem's row, by name.
    """

    verifier: str
    response: str
    ground_truth: str
    prompt: Sequence[Mapping[str, object]] = ()
    token_ids: Sequence[int] = ()
    columns: Mapping[str, object] = field(default_factory=dict)


@runtime_checkable
class BatchVerifier(Protocol):
    """Judges many answers in one call, and sees all of each."""

    def grade(self, answers: Sequence[Answer], /) -> list[Verdict]:
        """One verdict for each answer, in their order."""
        ...
