"""Rewards of form: 1 where a response has it, 0 where not."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.errors import ConfigError
from spro.verify.code.fence import extract_python
from spro.verify.math.boxed import extract_boxed
from spro.verify.rewards.completions import Completions, Rewards, text_of


def boxed_format(*, completions: Completions, **columns: object) -> Rewards:
    r"""1 where the last ``\boxed{}`` can be read as an answer, see ``extract_boxed``."""
    return [float(extract_boxed(text_of(completion)) is not None) for completion in completions]


def code_format(*, completions: Completions, **columns: object) -> Rewards:
    """1 where a program can be read out of the last Python fence, see ``extract_python``."""
    return [float(extract_python(text_of(completion)) is not None) for completion in completions]


def think_format(*, completions: Completions, **columns: object) -> Rewards:
    """1 where a response is ``<think>``, thoughts, ``</think>`` and an answer, each tag once and nothing before it."""
    return [float(_thinks(text_of(completion))) for completion in completions]


@dataclass(frozen=True, slots=True)
class TagFormat:
    """The share of tags that enclose something exactly once, in the order in which they are given.

    Attributes:
        tags: names, as in ``<think>...</think><answer>...</answer>``.
    """

    tags: Sequence[str] = ("think", "answer")

    def __post_init__(self) -> None:
        if isinstance(self.tags, str) or not self.tags:
            raise ConfigError(f"tags is {self.tags!r}; give a list of at least one name")

    def __call__(self, *, completions: Completions, **columns: object) -> Rewards:
        """The share for each response, in [0, 1]."""
        return [self._share(text_of(completion)) for completion in completions]

    def _share(self, text: str) -> float:
        found, position = 0, 0
        for tag in self.tags:
            opening, closing = f"<{tag}>", f"</{tag}>"
            start, end = text.find(opening, position), text.find(closing, position)
            is_once = text.count(opening) == text.count(closing) == 1
            if is_once and 0 <= start < end and text[start + len(opening) : end].strip():
                found, position = found + 1, end + len(closing)
        return found / len(self.tags)


def _thinks(text: str) -> bool:
    opening, closing = "<think>", "</think>"
    is_once = text.count(opening) == text.count(closing) == 1
    return is_once and text.lstrip().startswith(opening) and bool(text.partition(closing)[2].strip())
