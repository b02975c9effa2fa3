"""Tools inside a response: a call that the policy writes is answered in its middle, by tokens that it did not write.

A response is made in rounds. In each, the engine writes on from what stands so far, prompt and response, until a token
that ends a call; the tool's answer is put behind it, and the next round goes on from there.

Axis legend: P prompts, N drafts that are still written.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from spro.errors import ConfigError
from spro.rollout.engine import Engine, FinishReason, Response, Sampling


class Tool(Protocol):
    """What the policy may call. ``spro.tasks.Tool`` is one."""

    @property
    def call_end(self) -> str:
        """How the text of the token ends that ends a call."""
        ...

    @property
    def max_calls(self) -> int:
        """Calls that are answered in one response; it ends with the one behind them."""
        ...

    def answer(self, text: str, /) -> str:
        """What the tool writes behind prompt and response so far, which end in a call. Hostile text must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class _Draft:
    """A response that is being written; ``finish_reason`` is None as long as it is."""

    prompt: tuple[int, ...]
    token_ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    mask: tuple[bool, ...] = ()
    calls: int = 0
    finish_reason: FinishReason | None = None
    policy_version: int = 0

    @property
    def begun(self) -> tuple[int, ...]:
        """What the engine goes on from."""
        return self.prompt + self.token_ids

    def written_on(self, piece: Response, room: int) -> "_Draft":
        """With what the policy wrote, cut where the room ends."""
        return replace(
            self,
            token_ids=self.token_ids + piece.token_ids[:room],
            log_probs=self.log_probs + piece.rollout_log_probs[:room],
            mask=self.mask + piece.written[:room],
            finish_reason=piece.finish_reason if len(piece.token_ids) <= room else FinishReason.LENGTH,
            policy_version=piece.policy_version,
        )

    def answered(self, answer: Sequence[int]) -> "_Draft":
        """With what the tool wrote; to be written on."""
        return replace(
            self,
            token_ids=(*self.token_ids, *answer),
            log_probs=self.log_probs + (0.0,) * len(answer),
            mask=self.mask + (False,) * len(answer),
            calls=self.calls + 1,
            finish_reason=None,
        )

    @property
    def response(self) -> Response:
        """When it is finished."""
        assert self.finish_reason is not None
        mask = None if all(self.mask) else self.mask
        return Response(self.token_ids, self.log_probs, self.finish_reason, mask, self.policy_version)


class ToolEngine:
    """Samples from another engine and answers calls of a tool. Its last token is always the policy's.

    The length limit counts the tool's tokens. An answer that would leave no room behind it is not written, and a call
    beyond ``max_calls`` is not answered: the response ends with the call, by ``FinishReason.LENGTH``. A prompt that
    ends in a call, as a response that is continued may, is answered first; the response begins with the answer.

    Where nothing is called the responses are those of the engine itself.

    Args:
        engine: stops at ``Sampling.stop_token_ids``, and gives equal prompts of one call responses of their own.
        tool: that may be called.
        tokenizer: of the policy.
        positions: tokens of prompt and response that the model can hold; None for no limit.

    Raises:
        ConfigError: the tokenizer cannot write the tool's calls or answers.
    """

    def __init__(
        self, engine: Engine, tool: Tool, tokenizer: PreTrainedTokenizerBase, positions: int | None = None
    ) -> None:
        self.engine, self.tool, self.tokenizer, self.positions = engine, tool, tokenizer, positions
        self.call_end_ids = frozenset(i for i in range(len(tokenizer)) if tokenizer.decode([i]).endswith(tool.call_end))
        if not self.call_end_ids:
            raise ConfigError(
                f"the tokenizer has no token that ends in {tool.call_end!r}, the end of a call of the task's tool; "
                "is this the task's model?"
            )
        answer = tool.answer(tool.call_end)
        if tokenizer.decode(self._encode(answer)) != answer:
            raise ConfigError(
                f"the tokenizer cannot write {answer!r}, an answer of the task's tool; is this the task's model?"
            )

    def push(self, version: int) -> None:
        """See ``Engine.push``."""
        self.engine.push(version)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        """See ``Engine.generate``."""
        first = [_Draft(tuple(prompt)) for prompt in prompts]
        # One that cannot be answered is written on all the same: a response has at least one token.
        first = [self._answer(draft, sampling) if self._calls(draft, sampling) else draft for draft in first]
        drafts = [draft for group in self._write(first, sampling, seed) for draft in group]
        single = replace(sampling, group_size=1)
        for number in count(1):
            living = [row for row, draft in enumerate(drafts) if draft.finish_reason is None]
            if not living:
                break
            written = self._write([drafts[row] for row in living], single, _derive(seed, f"round {number}"))
            for row, (draft,) in zip(living, written, strict=True):
                drafts[row] = draft
        size = sampling.group_size
        responses = [draft.response for draft in drafts]
        return [tuple(responses[start : start + size]) for start in range(0, len(responses), size)]

    def _write(self, drafts: Sequence[_Draft], sampling: Sampling, seed: int) -> list[list[_Draft]]:
        """One round: each draft written on ``sampling.group_size`` times, to its end or to the answer of its call."""
        written: dict[int, list[_Draft]] = {}
        for number, bucket in enumerate(self._buckets(drafts, sampling)):
            asked = replace(
                sampling,
                max_response_length=max(_room(drafts[row], sampling) for row in bucket),
                stop_token_ids=tuple(sorted({*sampling.stop_token_ids, *self.call_end_ids})),
            )
            # The first bucket keeps the seed, so that without a call the engine's own responses come out.
            seed_of_bucket = _derive(seed, f"bucket {number}") if number else seed
            pieces = self.engine.generate([drafts[row].begun for row in bucket], asked, seed_of_bucket)
            for row, group in zip(bucket, pieces, strict=True):
                written[row] = [self._after(drafts[row], piece, sampling) for piece in group]
        return [written[row] for row in range(len(drafts))]

    def _after(self, draft: _Draft, piece: Response, sampling: Sampling) -> _Draft:
        draft = draft.written_on(piece, _room(draft, sampling))
        return self._answer(draft, sampling) if self._calls(draft, sampling) else draft

    def _calls(self, draft: _Draft, sampling: Sampling) -> bool:
        """Whether the last token ends a call, and is not one that the caller wants to stop at."""
        return draft.begun[-1] in self.call_end_ids.difference(sampling.stop_token_ids)

    def _answer(self, draft: _Draft, sampling: Sampling) -> _Draft:
        """With the tool's answer, or at its end where there is no room for it or no call is left."""
        if draft.calls < self.tool.max_calls:
            answer = self._encode(self.tool.answer(self.tokenizer.decode(draft.begun)))
            if len(answer) < _room(draft, sampling):
                return draft.answered(answer)
        return replace(draft, finish_reason=FinishReason.LENGTH)

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _buckets(self, drafts: Sequence[_Draft], sampling: Sampling) -> Iterator[list[int]]:
        """Drafts that one call may write on, since the longest room fits behind the longest of them.

        The engine has one limit a call; what goes beyond a draft's own is cut off.
        """
        bucket: list[int] = []
        longest = 0
        for row in sorted(range(len(drafts)), key=lambda row: _room(drafts[row], sampling), reverse=True):
            length = len(drafts[row].begun)
            if bucket and self.positions is not None and length + longest > self.positions:
                yield bucket
                bucket = []
            longest = longest if bucket else _room(drafts[row], sampling)
            bucket.append(row)
        if bucket:
            yield bucket


def _room(draft: _Draft, sampling: Sampling) -> int:
    """Tokens that may still be written."""
    return sampling.max_response_length - len(draft.token_ids)


def _derive(seed: int, purpose: str) -> int:
    """An independent seed; a pure function."""
    return random.Random(f"{seed}/{purpose}").getrandbits(63)
