"""What a rollout engine is: token ids in, responses with their log-probs out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FinishReason(StrEnum):
    """Why a response ended."""

    STOP = "stop"
    """The policy wrote a stop token; it is the last token of the response."""
    LENGTH = "length"
    """The limit was reached before a stop token."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample.

    Attributes:
        group_size: responses a prompt.
        max_response_length: tokens, the stop token included.
        temperature: divides the logits; 0 takes the most likely token.
        stop_token_ids: tokens that end a response beside those of the model.
    """

    group_size: int
    max_response_length: int
    temperature: float
    stop_token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """One sampled response.

    Attributes:
        token_ids: what stands behind the prompt, the stop token included; never empty.
        rollout_log_probs: log-prob in nats of each token when it was sampled, at the sampling temperature; 0 for a
            token that the policy did not write.
        finish_reason: why it ended.
        response_mask: True on tokens that the policy wrote, False on a tool's; None where it wrote all.
        policy_version: of the weights that wrote it, as they were last pushed.
    """

    token_ids: tuple[int, ...]
    rollout_log_probs: tuple[float, ...]
    finish_reason: FinishReason
    response_mask: tuple[bool, ...] | None = None
    policy_version: int = 0

    @property
    def written(self) -> tuple[bool, ...]:
        """``response_mask``, also where the policy wrote all."""
        return self.response_mask or (True,) * len(self.token_ids)


class Engine(Protocol):
    """Samples from the current policy. Ids in and ids out: text is never tokenized twice."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        """One group of responses a prompt, in order. The same weights, prompts and seed give the same responses."""
        ...

    def push(self, version: int) -> None:
        """Sample from now on with the policy's weights as they are now; what is sampled bears this version."""
        ...
