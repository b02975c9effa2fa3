"""Cutting responses into steps by their text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from transformers import PreTrainedTokenizerBase

from spro.train.group import Group, Prepared


@dataclass(frozen=True)
class StepSplitter:
    """A step ends with the token that completes the separator; every token of a response belongs to a step.

    Blank tokens (white space, further separators, the stop token) say nothing and are never steps of their own: behind
    an end they belong to what has ended. A separator may be spread over tokens, and a token may hold several.

    Attributes:
        tokenizer: turns each token into its text.
        separator: not empty.
    """

    tokenizer: PreTrainedTokenizerBase
    separator: str
    _texts: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, groups: Sequence[Group], seed: int) -> Prepared:
        """The groups with the step of each token; nothing is sampled."""
        split = [
            replace(group, step_ids=tuple(self.split(response.token_ids) for response in group.responses))
            for group in groups
        ]
        return Prepared(split, [])

    def split(self, token_ids: Sequence[int]) -> tuple[int, ...]:
        """Step of each token, from 0, rising by at most 1."""
        blank = re.compile(rf"(?:\s|{re.escape(self.separator)})*")
        steps: list[int] = []
        step, has_begun, has_ended, tail = 0, False, False, ""
        for text in map(self._text, token_ids):
            if has_ended and not blank.fullmatch(text):
                step, has_begun, has_ended, tail = step + 1, False, False, ""
            steps.append(step)
            tail += text
            if not has_begun:
                # A separator before anything was said ends nothing.
                tail = blank.sub("", tail, count=1)
                has_begun = bool(tail)
            has_ended |= self.separator in tail
            # What the next token may complete.
            tail = tail.split(self.separator)[-1][-len(self.separator) :]
        return tuple(steps)

    def _text(self, token_id: int) -> str:
        """Text of one token, each decoded once; a special token has none."""
        if token_id not in self._texts:
            self._texts[token_id] = self.tokenizer.decode([token_id], skip_special_tokens=True)
        return self._texts[token_id]


def step_starts(step_ids: Sequence[int]) -> list[int]:
    """Position of the first token of each step."""
    return [t for t, step in enumerate(step_ids) if t == 0 or step != step_ids[t - 1]]
