"""Steps of responses: separators in one token, in two, several in one; blank tokens; real byte-level BPE."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.models import load_policy
from spro.train.steps import StepSplitter, step_starts
from tests.models import byte_level_tokenizer


class Words:
    """A tokenizer whose tokens are the given texts; token 0 is special."""

    def __init__(self, *texts: str) -> None:
        self.texts = ["", *texts]

    def decode(self, token_ids: list[int], skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return "".join(self.texts[token_id] for token_id in token_ids)


def split(separator: str, *texts: str) -> list[int]:
    """Steps of a response of these tokens and the stop token."""
    words = Words(*texts)
    token_ids = [*range(1, len(texts) + 1), 0]
    return list(StepSplitter(words, separator).split(token_ids))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("separator", "texts", "steps"),
    [
        ("\n", ["a", "b\n", "c", "\n", "d"], [0, 0, 1, 1, 2, 2]),
        ("\n", ["a"], [0, 0]),
        ("\n", ["a", "\n\n", "b"], [0, 0, 1, 1]),  # several newlines in a token
        ("\n", ["a", "\n", "\n", "b"], [0, 0, 0, 1, 1]),  # an empty line is no step
        ("\n", ["\n", "\n", "a", "\n", "b"], [0, 0, 0, 0, 1, 1]),  # nor are leading ones
        ("\n", ["a", ".\n", "  ", "b"], [0, 0, 0, 1, 1]),
        ("\n", ["a", "\nb", "c", "\n", "d"], [0, 0, 1, 1, 2, 2]),  # the token that completes it ends the step
        ("\n", ["a\n", "\nb", "c"], [0, 1, 1, 1]),  # a separator in front of what is said ends nothing
        ("\n", ["a\nb\nc", "d"], [0, 1, 1]),  # two ends in a token are one
        ("\n\n", ["a", "\n", "\n", "b"], [0, 0, 0, 1, 1]),  # spread over two tokens
        ("\n\n", ["a", "\n", "b", "\n", "c"], [0] * 6),
        ("\n\n", ["a", "\n\n\n", "b", ".\n\n", "c"], [0, 0, 1, 1, 2, 2]),
        ("</s>", ["a", "</", "s", ">", "s", "</s>"], [0, 0, 0, 0, 1, 1, 1]),
        ("aba", ["x", "ab", "ab", "a", "y"], [0, 0, 0, 1, 1, 1]),  # occurrences do not overlap
        (";", ["8", "*", "2", ";", "6", ";", "#", "6"], [0, 0, 0, 0, 1, 1, 2, 2, 2]),
    ],
)
def test_by_hand(separator: str, texts: list[str], steps: list[int]) -> None:
    assert split(separator, *texts) == steps


@given(st.lists(st.text("ab\n ;", min_size=1, max_size=3), min_size=1, max_size=12), st.sampled_from(["\n", "\n\n"]))
def test_every_token_has_a_step_and_no_step_is_blank(texts: list[str], separator: str) -> None:
    steps = split(separator, *texts)
    assert len(steps) == len(texts) + 1
    assert steps[0] == 0
    assert {b - a for a, b in pairwise(steps)} <= {0, 1}
    said = ["".join(t for t, s in zip([*texts, ""], steps, strict=True) if s == k) for k in range(steps[-1] + 1)]
    assert all(text.strip() for text in said) or len(said) == 1
    assert all(separator in text for text in said[:-1]), "only the last step may lack its end"


@given(st.text("ab\n ;", min_size=1, max_size=20))
def test_one_character_a_token_is_the_text_cut_at_its_lines(text: str) -> None:
    lines = [line for line in re.split(r"\n", text) if line.strip()]
    assert split("\n", *text)[-1] + 1 == max(len(lines), 1)


def test_a_real_tokenizer_and_the_lab_task() -> None:
    bpe = byte_level_tokenizer()
    token_ids = [*bpe.encode("Compute 12 é.\nand\n\npresent", add_special_tokens=False), bpe.eos_token_id]
    steps = StepSplitter(bpe, "\n").split(token_ids)
    said = [bpe.decode([i for i, s in zip(token_ids, steps, strict=True) if s == k]) for k in range(max(steps) + 1)]
    assert said == ["Compute 12 é.\n", "and\n\n", "present<|endoftext|>"]
    chain = load_policy("builtin:chain", "cpu").tokenizer
    assert StepSplitter(chain, ";").split([*chain.encode("8*2;6;#6"), 1]) == (0, 0, 0, 0, 1, 1, 2, 2, 2)


def test_where_steps_begin() -> None:
    assert step_starts([0, 0, 1, 1, 1, 2]) == [0, 2, 5]
    assert step_starts([0]) == [0]
