"""What a verifier is."""

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
