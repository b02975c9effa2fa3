"""The lab task: chain arithmetic, ``3+5*2?`` computed from left to right modulo 10.

A response is lines separated by ``;`` that end in ``#`` and the digit, as in ``8*2;6;#6``.
"""

import re

from spro.verify.final import judge_final_line
from spro.verify.verdict import Verdict

_DIGIT = re.compile(r"[0-9]")


def verify_chain(response: str, ground_truth: str) -> Verdict:
    """Judge the final line of a response; the lines before it are free.

    Example:
        >>> verify_chain("8*2;6;#6", "6").status
        <Status.CORRECT: 'correct'>
        >>> verify_chain("8*2;6", "6").status
        <Status.NO_ANSWER: 'no_answer'>

    Args:
        response: as decoded, without special tokens. Anything after the digit, white space too, is no answer.
        ground_truth: one digit.

    Returns:
        ``unscored`` when the ground truth is not one digit.
    """
    return judge_final_line(response, ground_truth, _DIGIT, "is not one digit")
