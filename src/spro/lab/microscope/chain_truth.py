"""Where a response to chain arithmetic goes wrong, token by token: exact, for a reader who calculates on honestly.

No number here depends on the policy. The question at each place of a response is what an honest reader would arrive at
who takes the last line as it stands and goes on without a mistake.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from transformers import PreTrainedTokenizerBase

from spro.tasks.chain import solve

LINE_END = ";"
ANSWER = "#"
_EXPRESSION = re.compile(r"[0-9](?:[-+*][0-9])*")


def token_truth(expression: str, texts: Sequence[str], score: float) -> list[int]:
    """-1 at the token that turns a response wrong, +1 at one that turns it right again, 0 at all others.

    A response stands right while the expression it has arrived at, the last line that it ended, has the value of the
    problem; at first that is the problem itself. Behind the last token it stands right if its score is 1, whatever
    stood before. So the numbers of a response add up to its score minus 1.

    A line counts as one move. If it changes how the response stands, the change is booked on the first character in
    which it leaves every line that could have been written there (see ``honest_lines``), and so on the token that
    holds this character. A line that leaves them and still has the right value changes nothing: two mistakes that
    cancel modulo 10 within a line were never one. A line that is no expression says nothing. What stands behind the
    last ``;`` is the answer, right or not as the verifier said. A response that ends without a departure and without an
    answer, because it was cut off or stopped too early, gets its change at its last token.

    Args:
        expression: of the problem, without the question mark.
        texts: of the response's tokens in order; the stop token has none.
        score: by the verifier of the task; 1 or 0.

    Example:
        >>> token_truth("3+5*2", list("9*2;8;#8") + [""], 0.0)
        [-1, 0, 0, 0, 0, 0, 0, 0, 0]
        >>> token_truth("3+5*2", list("8*2;4;#6") + [""], 1.0)
        [0, 0, 0, 0, -1, 0, 0, 1, 0]
    """
    changes = character_truth(expression, "".join(texts), score)
    truth, begin = [], 0
    for text in texts:
        truth.append(sum(changes[begin : begin + len(text)]))
        begin += len(text)
    # What no character holds: the response ended where it should have gone on.
    truth[-1] += changes[-1]
    return truth


def character_truth(expression: str, response: str, score: float) -> list[int]:
    """The same for the characters of a response, and behind them one number for its end."""
    changes = [0] * (len(response) + 1)
    value = value_of(expression)
    arrived, stands_right, begin = expression, True, 0
    *lines, last = response.split(LINE_END)
    for line in lines:
        if _EXPRESSION.fullmatch(line):
            is_right = value_of(line) == value
            place = begin + departure(line + LINE_END, [honest + LINE_END for honest in honest_lines(arrived)])
            changes[place] += int(is_right) - int(stands_right)
            arrived, stands_right = line, is_right
        begin += len(line) + len(LINE_END)
    honest = [*honest_lines(arrived), ANSWER + value_of(arrived)]
    changes[begin + departure(last, honest)] += int(score == 1) - int(stands_right)
    return changes


def honest_lines(expression: str) -> list[str]:
    """What may stand behind an expression without a mistake: itself again, or reduced once, twice, down to a digit."""
    return [expression, *solve(expression)]


def departure(line: str, honest: Sequence[str]) -> int:
    """Index of the first character with which a line begins as no honest one does; its length if there is none."""
    for index in range(len(line)):
        if not any(one.startswith(line[: index + 1]) for one in honest):
            return index
    return len(line)


def value_of(expression: str) -> str:
    """The digit that it comes to."""
    return honest_lines(expression)[-1]


def token_texts(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int]) -> list[str]:
    """The share of each token in the text of a response, without special tokens; together they are that text.

    Token by token where that gives the text. Where a character is spread over tokens, or a space depends on what stands
    before it, a token has what the text grows by with it.
    """

    def read(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=True))

    text = read(token_ids)
    texts = [read([token_id]) for token_id in token_ids]
    if "".join(texts) == text:
        return texts
    ends = [0]
    for count in range(1, len(token_ids) + 1):
        ends.append(max(ends[-1], _common(read(token_ids[:count]), text)))
    ends[-1] = len(text)
    return [text[begin:end] for begin, end in pairwise(ends)]


def _common(begin: str, text: str) -> int:
    """Characters in which both begin alike."""
    pairs = zip(begin, text, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(begin), len(text)))
