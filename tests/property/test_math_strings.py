"""Everything that reads a model's answer in the trainer's process, over random text that looks like LaTeX."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.verify.math.boxed import MAX_ANSWER_LENGTH, MAX_BOXES, all_boxes, extract_boxed
from spro.verify.math.guard import RULES, refusal
from spro.verify.math.latex import bare_latex, normal_latex, plain_latex
from spro.verify.math.leaf import Likeness, read_leaf
from spro.verify.math.likeness import compare_strings
from spro.verify.math.parts import Group, read_parts
from spro.verify.math.truth import MathTruth
from spro.verify.math.units import split_unit

WORDS = (Path(__file__).parents[1] / "fuzz" / "latex_words.txt").read_text().splitlines()
LATEX = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), max_size=40).map("".join)
EXAMPLES = settings(deadline=None, max_examples=400)


@EXAMPLES
@given(LATEX)
def test_answer_occurs_in_its_response(response):
    answer = extract_boxed(response)
    if answer is not None:
        assert answer in response
        assert answer == answer.strip()
        assert 0 < len(answer) <= MAX_ANSWER_LENGTH
    assert len(all_boxes(response)) <= MAX_BOXES + 1


@EXAMPLES
@given(LATEX)
def test_last_of_all_boxes_is_the_last_box(response):
    boxes, answer = all_boxes(response), extract_boxed(response)
    if boxes and boxes[-1] is not None:
        assert boxes[-1] == answer
    else:
        assert answer is None


@EXAMPLES
@given(LATEX)
@pytest.mark.parametrize("normal", [bare_latex, normal_latex, plain_latex])
def test_normal_form_is_its_own(normal, text):
    assert normal(normal(text)) == normal(text)


@EXAMPLES
@given(LATEX, LATEX)
def test_guard_never_refuses_the_ground_truth(gold, answer):
    gold = plain_latex(gold)
    assert refusal(gold, gold) == ""
    assert isinstance(refusal(gold, plain_latex(answer)), str)


@EXAMPLES
@given(LATEX)
def test_quantity_and_word_come_from_the_text(text):
    plain = plain_latex(text)
    quantity, _ = split_unit(plain)
    assert len(quantity) <= len(plain) + len(r" \cdot 10^{12}")
    leaf = read_leaf(plain)
    assert not (leaf.word and leaf.choice)


@EXAMPLES
@given(LATEX)
def test_parts_are_never_none(text):
    def check(group):
        assert group.parts or not group.latex
        for part in group.parts:
            if isinstance(part, Group):
                check(part)

    check(read_parts(text))


@EXAMPLES
@given(LATEX, LATEX)
def test_comparison_is_total_and_reflexive(gold, answer):
    try:
        truth = MathTruth.read(gold)
    except ValueError:
        return
    assert MathTruth.read(truth.text) == truth
    assert compare_strings(truth, answer)[0] in Likeness
    assert compare_strings(truth, ", ".join(truth.answers))[0] is not Likeness.OTHER


HOSTILE = ["\\boxed{", "\\boxed", "$ ", "\\", "{", "}", "\\{", "1 ", "\\pm", "(", ",", "\\text{", "\\left(", "_{"]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("reader", [extract_boxed, all_boxes])
def test_boxes_are_found_in_linear_time(reader, piece):
    # Counted, not timed: lines run inside the package for a text twice as long.
    small, large = (lines_run(reader, piece * size) for size in (2_000, 4_000))
    assert large <= 2.2 * small + 2_000 * MAX_BOXES


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("reader", [plain_latex, read_parts, lambda text: [rule(text, text + "=") for rule in RULES]])
def test_answers_are_read_in_linear_time(reader, piece):
    small, large = (lines_run(reader, piece * size) for size in (100, 200))
    assert large <= 2.5 * small + 2_000


def lines_run(function, text):
    counts = Counter()

    def trace(frame, event, argument):
        if "/spro/verify/" not in frame.f_code.co_filename:
            return None
        counts[event] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(text)
    finally:
        sys.settrace(before)
    return counts["line"]
