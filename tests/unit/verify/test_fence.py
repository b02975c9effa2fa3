"""Which program a response gives, and that none is slow to find."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.verify.code.fence import MAX_SOURCE_LENGTH, extract_python

PIECES = [
    "```",
    "````",
    "python",
    "py",
    "Python3",
    "cpp",
    " ",
    "\t",
    "\n",
    "\n",
    "x = 1",
    "'''",
    "`",
    "```python\n",
    "{",
]
text = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


@pytest.mark.parametrize(
    ("response", "source"),
    [
        ("```python\nx = 1\n```", "x = 1\n"),
        ("Here:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```python\nx = 1\n```\nor rather\n```python\nx = 2\n```\n", "x = 2\n"),
        ("```py\nx = 1\n```", "x = 1\n"),
        ("```python3\nx = 1\n```", "x = 1\n"),
        ("```Python\nx = 1\n```", "x = 1\n"),
        ("``` python\nx = 1\n```", "x = 1\n"),
        ("```{python}\nx = 1\n```", "x = 1\n"),
        ("```{.python}\nx = 1\n```", "x = 1\n"),
        ("```python title='a.py'\nx = 1\n```", "x = 1\n"),
        ("```python\r\nx = 1\r\n```\r\n", "x = 1\r\n"),
        ("```python\nx = 1\n```   \n", "x = 1\n"),
        ("The program is ```python\nx = 1\n```", "x = 1\n"),
        ("  ```python\n  if x:\n      y\n\n  ```", "if x:\n    y\n\n"),
        ("1. So:\n   ```python\n   x = 1\n\ty = 2\n   ```", "x = 1\ny = 2\n"),
        ("````python\nx = '''\n```\n'''\n````", "x = '''\n```\n'''\n"),
        ("````markdown\n```python\nx = 1\n```\n````", None),
        ("```python\ns = '```'  # ``` here\n```", "s = '```'  # ``` here\n"),
        ('```python\ns = "```python"\n```', 's = "```python"\n'),
        ("```python\nx = 1\n```\nOutput:\n```\n1\n```", "x = 1\n"),
        ("```cpp\nint x;\n```\n```python\nx = 1\n```\n```text\n1\n```", "x = 1\n"),
        ("```python\nx = 1\n```\n```\n", "x = 1\n"),
        # Never closed, and begun again.
        ("```python\nx = 1\nwait, no:\n```python\nx = 2\n```", "x = 2\n"),
        ("```\nnotes\n```python\nx = 2\n```", "x = 2\n"),
        ("<think>```python\nx = 1\n</think>\n```python\nx = 2\n```", "x = 2\n"),
        # No tag, where there is no Python fence.
        ("```\nx = 1\n```", "x = 1\n"),
        ("```\nx = 1\n```\n```\nx = 2\n```", "x = 2\n"),
        ("```cpp\nint x;\n```\n```\nx = 2\n```", "x = 2\n"),
    ],
)
def test_program(response: str, source: str | None) -> None:
    assert extract_python(response) == source


@pytest.mark.parametrize(
    "response",
    [
        "",
        "x = 1",
        "print(1)",
        "```cpp\nint x;\n```",
        "```pythonic\nx\n```",
        "`python`",
        "``` ``` ```",
        "```python x = 1 ```",
        "```python\n```",
        "```python\n\n  \n```",
        "```python\nx = 1",
        "```python\nx = 1\n``",
        "```python",
        "```\nx = 1",
        # Cut off within the program that was meant.
        "```python\nx = 1\n```\nBetter:\n```python\nx =",
        "~~~python\nx = 1\n~~~",
        "```python\n" + "x" * MAX_SOURCE_LENGTH + "\n```",
    ],
)
def test_no_program(response: str) -> None:
    assert extract_python(response) is None


def test_length_limit_is_inclusive() -> None:
    source = "#" * (MAX_SOURCE_LENGTH - 1) + "\n"
    assert extract_python(f"```python\n{source}```") == source


@pytest.mark.parametrize(
    "hostile",
    [
        "`" * 10**6,
        "```python\n" * 10**5,
        "```\n" * 250_000,
        "` " * 500_000,
        "x```python" * 10**5,
        "\n" * 10**6,
        " " * 10**6 + "```python",
        "```python\n" + " " * 10**6 + "\n```",
        "```" + "{" * 10**6 + "\n",
        "  ```\n" * 150_000,
    ],
    ids=range(10),
)
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    began = time.process_time()
    extract_python(hostile)
    # A quadratic way takes minutes; a linear one a fifth of a second.
    assert time.process_time() - began < 10


@given(text)
def test_never_raises_and_gives_what_is_there(response: str) -> None:
    source = extract_python(response)
    if source is not None:
        assert source.strip()
        lines = {line.strip() for line in response.split("\n")}
        assert all(line.strip() in lines for line in source.split("\n"))


@given(text, st.text(alphabet=st.characters(exclude_characters="`")).filter(str.strip))
def test_what_is_fenced_last_is_found(before: str, program: str) -> None:
    ticks = "`" * 50
    assert extract_python(f"{before}\n{ticks}python\n{program}\n{ticks}\n") == program + "\n"


@given(text, text)
def test_text_behind_a_fence_does_not_change_it_unless_it_has_ticks(before: str, after: str) -> None:
    whole = f"{before}\n"
    assert extract_python(whole + after.replace("`", "'")) == extract_python(whole)
