r"""The answer of a response: what stands in its last ``\boxed{...}``.

Own code rather than a regular expression for the braces: they nest, and model text is hostile enough to make a
backtracking expression run for ever. One pass to the last box, then at most ``MAX_ANSWER_LENGTH`` characters more.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

MAX_ANSWER_LENGTH = 1024
"""Characters; whoever boxes more is not giving an answer."""

MAX_RESPONSE_LENGTH = 2**20
"""Characters; of a longer response only so many at its end are looked at."""

MAX_BOXES = 64
"""Boxes of one response that ``all_boxes`` tells apart."""

# \\boxedminipage is another command. Nothing here can backtrack.
_COMMAND = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")


class Boxes(StrEnum):
    """Which boxes of a response count."""

    LAST = "last"
    """The last one: the convention of the field. A response may try several answers and end on the best."""
    ALL_EQUAL = "all_equal"
    """Each must be right, so that hedging (one box for every candidate) never pays."""


def extract_boxed(response: str) -> str | None:
    r"""What the last box of a response holds, without the box; ``None`` when that is no answer.

    Only the last box counts: it is the one that the response ends on. If it is unclosed the response was cut off
    within its answer, and an earlier box is not what it meant to say. Of nested boxes the innermost last one counts.

    The forms are ``\boxed{x}``, ``\fbox{x}`` and TeX's short form ``\boxed x``, which reaches to the next white space
    or dollar sign.

    Returns:
        The stripped content, of 1 to ``MAX_ANSWER_LENGTH`` characters; ``None`` when there is no box, or the last one
        is unclosed, empty or longer.
    """
    response = response[-MAX_RESPONSE_LENGTH:]
    start = max(_ends(response), default=None)
    return None if start is None else _content(response, start)


def all_boxes(response: str) -> list[str | None]:
    r"""What each box of a response holds, in order; a box within one is dissolved (``1 or \boxed{5}`` is ``1 or {5}``).

    Returns:
        At most ``MAX_BOXES`` + 1 boxes, the last ones; ``None`` for a box that ``extract_boxed`` would refuse.
    """
    response = response[-MAX_RESPONSE_LENGTH:]
    starts = list(_ends(response))[-MAX_BOXES - 1 :]
    contents = [_content(response, start) for start in starts]
    return [content if content is None else _COMMAND.sub("", content).strip() or None for content in contents]


def _ends(response: str) -> Iterator[int]:
    return (match.end() for match in _COMMAND.finditer(response))


def _content(response: str, start: int) -> str | None:
    # One beyond the limit shows that it is exceeded; the blanks before a brace count too.
    window = response[start : start + MAX_ANSWER_LENGTH + 3]
    content = window.lstrip()
    answer = _braced(content) if content.startswith("{") else _short(content)
    if answer is None:
        return None
    answer = answer.strip()
    return answer if 0 < len(answer) <= MAX_ANSWER_LENGTH else None


def _braced(content: str) -> str | None:
    depth = 0
    position = 0
    while position < len(content):
        character = content[position]
        if character == "\\":
            # The next character is escaped: \{ and \} are printed braces, not TeX's.
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return content[1:position]
        position += 1
    return None


def _short(content: str) -> str | None:
    words = content.split("$", 1)[0].split()
    return words[0].rstrip(".,;:") if words else None
