"""The lab task with a calculator: ``37+85*4?`` computed from left to right modulo 100.

A response is lines separated by ``;`` that end in ``#`` and the number, as in ``37+85=22;22*4=88;#88``.
"""

import re

from spro.verify.final import judge_final_line
from spro.verify.verdict import Verdict

_NUMBER = re.compile(r"0|[1-9][0-9]?")


def verify_calculator(response: str, ground_truth: str) -> Verdict:
    """Judge the final line of a response; the calls before it are free.

    Example:
        >>> verify_calculator("37+85=22;22*4=88;#88", "88").status
        <Status.CORRECT: 'correct'>
        >>> verify_calculator("37+85=22;22*4=88;", "88").status
        <Status.NO_ANSWER: 'no_answer'>

    Args:
        response: as decoded, without special tokens. Anything after the number, white space too, is no answer.
        ground_truth: a number below 100, without leading zeros.

    Returns:
        ``unscored`` when the ground truth is no such number.
    """
    return judge_final_line(response, ground_truth, _NUMBER, "is no number below 100")
