"""Where a response to chain arithmetic goes wrong: by hand, and against a second way to say it."""

import random
import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.lab.lessons import flawed_solution
from spro.lab.microscope.chain_truth import character_truth, token_texts, token_truth
from spro.models import load_policy
from spro.verify import verify_chain
from tests.models import byte_level_tokenizer

EXPRESSION = "3+5*2"  # 8*2, 6
MARKS = {"-": -1, "+": 1, ".": 0}


def score_of(response: str, ground_truth: str = "6") -> float:
    score = verify_chain(response, ground_truth).score
    assert score is not None
    return score


@pytest.mark.parametrize(
    ("response", "marks"),
    [
        ("8*2;6;#6", "........."),
        ("9*2;8;#8", "-........"),
        ("8*2;4;#4", "....-...."),
        ("8*2;6;#7", ".......-."),
        # Right again by luck: at the digit, and at the answer.
        ("8*2;4;6;#6", "....-.+...."),
        ("8*2;4;#6", "....-..+."),
        # The line before and the problem itself may be repeated, and lines may be skipped.
        ("8*2;8*2;6;6;#6", "..............."),
        ("3+5*2;8*2;6;#6", "..............."),
        ("6;#6", "....."),
        ("#6", "..."),
        # What is no expression says nothing.
        ("8*2;abc;;6;#6", ".............."),
        ("8*2;6;#6;#6", "............"),
        ("08*2;6;#6", ".........."),
        # Two mistakes within a line that cancel modulo 10: 3*2 is 6, and so is 8*2.
        ("3*2;6;#6", "........."),
        # No answer: the line leaves what could stand there, or the response stops too early.
        ("8*2;6;6#6", ".......-.."),
        ("8*2;6;#6x", "........-."),
        ("8*2;6;6", ".......-"),
        ("8*2;6;#", ".......-"),
        ("8*2;6;#6;", ".........-"),
        ("8*2;", "....-"),
        ("", "-"),
        # Wrong already, and then without an answer: nothing is left to lose.
        ("9*2;8", "-....."),
        # 8 is a beginning of 8*2, which ends too early; and 6 is no line behind 8.
        ("8;6;#6", ".-+...."),
        ("\u0663;6;#6", "......."),
    ],
)
def test_by_hand(response: str, marks: str) -> None:
    expected = [MARKS[mark] for mark in marks]
    assert character_truth(EXPRESSION, response, score_of(response)) == expected
    # One character a token, and the stop token, which has no text.
    assert token_truth(EXPRESSION, [*response, ""], score_of(response)) == expected


def test_a_token_holds_what_happens_in_its_characters() -> None:
    assert token_truth(EXPRESSION, ["9*2;", "8;#", "8", ""], 0.0) == [-1, 0, 0, 0]
    # Wrong and right again in one token.
    assert token_truth(EXPRESSION, ["8*2", ";4;6", ";#6"], 1.0) == [0, 0, 0]
    # Cut off by the limit: the last token, which has text.
    assert token_truth(EXPRESSION, ["8*", "2;"], 0.0) == [0, -1]


def by_folding(expression: str) -> int:
    """The value once more: digit after digit."""
    first, *rest = re.findall(r"[-+*]?[0-9]", expression)
    value = int(first)
    for part in rest:
        value = {"+": value + int(part[1]), "-": value - int(part[1]), "*": value * int(part[1])}[part[0]] % 10
    return value


def lines_from(expression: str) -> list[str]:
    lines = [expression]
    while len(lines[-1]) > 1:
        lines.append(f"{by_folding(lines[-1][:3])}{lines[-1][3:]}")
    return lines


def alike(one: str, other: str) -> int:
    """Characters in which both begin alike."""
    return max(size for size in range(len(one) + 1) if other.startswith(one[:size]))


def second_way(expression: str, response: str, score: float) -> list[int]:
    """Every line by itself, from the strings in front of it."""
    found = [0] * (len(response) + 1)
    ends = [match.end() for match in re.finditer(";", response)]
    starts = [0, *ends]
    standing, right = expression, 1
    for start, end in zip(starts, [*ends, None], strict=True):
        honest, line = lines_from(standing), response[start:end]
        if end is None:
            honest, now = [*honest, f"#{by_folding(standing)}"], int(score == 1.0)
        else:
            honest = [f"{one};" for one in honest]
            if not re.fullmatch("[0-9]([-+*][0-9])*;", line):
                continue
            standing = line[:-1]
            now = int(by_folding(standing) == by_folding(expression))
        if now != right:
            found[start + max(alike(line, one) for one in honest)] += now - right
        right = now
    return found


@given(st.integers(0, 10**6), st.text("0123456789+-*;#x", max_size=4), st.integers(0, 40))
def test_against_a_second_way_and_its_sum(seed: int, splice: str, at: int) -> None:
    rng = random.Random(seed)
    expression = "".join(rng.choice("0123456789") + rng.choice("+-*") for _ in range(rng.randint(1, 5))) + "7"
    ((response, _),) = flawed_solution(expression, rng)
    response = response[:at] + splice + response[at + rng.randint(0, 3) :]
    score = score_of(response, str(by_folding(expression)))
    truth = character_truth(expression, response, score)
    assert truth == second_way(expression, response, score)
    assert sum(truth) == score - 1
    cuts = sorted(rng.sample(range(len(response) + 1), rng.randint(0, min(4, len(response)))))
    texts = [response[a:b] for a, b in zip([0, *cuts], [*cuts, len(response)], strict=True)]
    assert sum(token_truth(expression, texts, score)) == score - 1


def test_texts_of_tokens_add_up_to_the_response() -> None:
    chain = load_policy("builtin:chain", "cpu").tokenizer
    ids = [*chain.encode("8*2;6;#6"), chain.eos_token_id]
    assert token_texts(chain, ids) == [*"8*2;6;#6", ""]

    # Bytes of one character apart: the text grows when the last of them is there.
    tokenizer = byte_level_tokenizer()
    read = partial(tokenizer.decode, skip_special_tokens=True)
    for text in ("8*2;6;#6", "8\u00d72;\u516d;#6", "\U0001f600#6"):
        ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        texts = token_texts(tokenizer, ids)
        assert "".join(texts) == read(ids) == text
        assert len(texts) == len(ids)
        assert texts[-1] == ""
