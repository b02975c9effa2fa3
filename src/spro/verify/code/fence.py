r"""The program of a response: what stands in its last Python fence.

Fences are lines, as in Markdown, so that backticks within a line of the program end nothing. One pass, no regular
expression: model text is hostile enough to make one backtrack.
"""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_SOURCE_LENGTH = 2**16
"""Characters; Codeforces' own limit. Whoever writes more is not giving a program."""

PYTHON_TAGS = frozenset({"python", "python3", "py", "py3"})


def extract_python(response: str) -> str | None:
    """What the last Python fence of a response holds; ``None`` when that is no program.

    A fence is opened by a line of three or more backticks and a tag, in any case and at any indentation; words may
    stand before it on its line when nothing but a Python tag follows. It is closed by a line of at least as many
    backticks and nothing else. A line that opens a Python fence within another one shows that the other was never
    closed, unless its backticks are fewer.

    Only the last Python fence counts, as in PRIME. Where PRIME reads on, two cases are no answer here: an unclosed last
    fence (the response was cut off within its program, and an earlier one is not what it meant to say), and a response
    without any fence (PRIME runs the prose). A response that opens no Python fence may use one without a tag.

    Returns:
        The program, of 1 to ``MAX_SOURCE_LENGTH`` characters and not blank, without the fence's own indentation;
        ``None`` when there is no such fence, or the last one is unclosed, blank or longer.
    """
    python: _Block | None = None
    bare: _Block | None = None
    for block in _blocks(response):
        if block.tag in PYTHON_TAGS:
            python = block
        elif not block.tag:
            bare = block
    last = python or bare
    if last is None or last.end is None or last.end - last.start > MAX_SOURCE_LENGTH:
        return None
    source = _without_indentation(response[last.start : last.end], last.indentation)
    return source if source.strip() else None


@dataclass(slots=True)
class _Block:
    """One fence; ``start`` and ``end`` are positions of its content, ``end`` is ``None`` while it is open."""

    tag: str
    ticks: int
    indentation: int
    start: int
    end: int | None = None


def _blocks(text: str) -> Iterator[_Block]:
    is_open: _Block | None = None
    position = 0
    while position < len(text):
        newline = text.find("\n", position)
        following = len(text) if newline < 0 else newline + 1
        line = text[position:following]
        if "```" in line:
            if is_open is None:
                is_open = _opened(line, following)
            elif _closes(line, is_open.ticks):
                is_open.end = position
                yield is_open
                is_open = None
            elif (restart := _restarted(line, following, is_open.ticks)) is not None:
                yield is_open
                is_open = restart
        position = following
    if is_open is not None:
        yield is_open


def _restarted(line: str, start: int, ticks: int) -> _Block | None:
    block = _opened(line, start) if line.lstrip().startswith("```") else None
    return block if block is not None and block.tag in PYTHON_TAGS and block.ticks >= ticks else None


def _closes(line: str, ticks: int) -> bool:
    stripped = line.strip()
    return len(stripped) >= ticks and _leading_ticks(stripped) == len(stripped)


def _opened(line: str, start: int) -> _Block | None:
    """The fence that this line opens, its content beginning at ``start``."""
    stripped = line.strip()
    ticks = _leading_ticks(stripped)
    if ticks >= 3:
        information = stripped[ticks:]
        if "`" in information:
            return None
        words = information.split(maxsplit=1)
        # ```{python} and ```{.python} are Pandoc's and R Markdown's.
        tag = words[0].strip("{}.").lower() if words else ""
        return _Block(tag, ticks, len(line) - len(line.lstrip()), start)
    before, _, tag = stripped.rpartition("```")
    if tag.strip().lower() not in PYTHON_TAGS:
        return None
    return _Block(tag.strip().lower(), 3 + len(before) - len(before.rstrip("`")), 0, start)


def _leading_ticks(stripped: str) -> int:
    return len(stripped) - len(stripped.lstrip("`"))


def _without_indentation(content: str, width: int) -> str:
    """A fence within a list item is indented, and its program with it; each line loses what the fence has."""
    if not width:
        return content
    lines = content.split("\n")
    return "\n".join(line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines)
