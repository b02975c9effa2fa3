import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.verify.math.boxed import MAX_ANSWER_LENGTH, extract_boxed


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\fbox{42}", "42"),
        (r"\boxed {42}", "42"),
        (r"\boxed{ 42 }", "42"),
        (r"\boxed 5", "5"),
        (r"$\boxed 5$", "5"),
        (r"it is \boxed 5.", "5"),
        (r"\boxed\frac12 and so on", r"\frac12"),
        (r"\boxed{1} or rather \boxed{2}", "2"),
        (r"\boxed{1} or rather \fbox{2}", "2"),
        (r"\fbox{1} or rather \boxed{2}", "2"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\boxed{\frac{1}{\sqrt{2}}} done", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"\boxed{a \\} tail", r"a \\"),
        ("\\boxed{1\n+2}", "1\n+2"),
        (r"\boxedminipage{3}", None),
        (r"\boxed{4}, not \boxedminipage{3}", "4"),
        ("no box", None),
        ("", None),
        (r"\boxed", None),
        (r"\boxed  ", None),
        (r"\boxed{}", None),
        (r"\boxed{  }", None),
        (r"\boxed{42", None),
        (r"\boxed{\frac{1}{2}", None),
        (r"\boxed{42\}", None),
        ("\\boxed{42\\", None),
        (r"\boxed{1} and then \boxed{2", None),
        (r"boxed{1}", None),
    ],
)
def test_extracts(response, answer):
    assert extract_boxed(response) == answer


def test_length_limit():
    longest = "7" * MAX_ANSWER_LENGTH
    assert extract_boxed(rf"\boxed{{{longest}}}") == longest
    assert extract_boxed(rf"\boxed{{{longest}7}}") is None
    assert extract_boxed(rf"\boxed {longest}7") is None


@pytest.mark.parametrize(
    "hostile",
    [
        "\\boxed{" * 15_000,
        "\\boxed" * 17_000,
        "\\boxedx" * 15_000,
        "\\fboxy\\boxedx" * 7_000,
        "\\boxed{" + "{" * 100_000,
        "\\boxed{" + "}" * 100_000,
        "\\boxed{" + "\\" * 100_000,
        "\\boxed" + " " * 100_000,
        "{" * 50_000 + "\\boxed{1}" + "}" * 50_000,
        "\\" * 100_000 + "boxed{1}",
    ],
)
def test_hostile_text_is_read_fast(hostile):
    began = time.process_time()
    extract_boxed(hostile)
    # Two thousandths, unless what other tests have left is collected meanwhile.
    assert time.process_time() - began < 2.0


@settings(deadline=None)
@given(st.recursive(st.text(st.characters(exclude_characters="\\{}")), lambda s: s.map(lambda t: "{" + t + "}")))
def test_balanced_content_comes_back(content):
    expected = content.strip() or None
    assert extract_boxed(f"before \\boxed{{{content}}} after") == expected


@settings(deadline=None)
@given(st.text(alphabet="\\{}boxed f1$ "))
def test_never_raises_and_never_returns_blank(text):
    answer = extract_boxed(text)
    assert answer is None or (answer == answer.strip() and answer)
