"""The last line of a lab task's response: ``#`` and the answer, behind the last ``;``."""

import re

from spro.verify.verdict import Status, Verdict


def judge_final_line(response: str, ground_truth: str, answer: re.Pattern[str], otherwise: str) -> Verdict:
    """Compare it with the ground truth; the lines before it are free.

    Args:
        response: as decoded, without special tokens. Anything behind the answer, white space too, is no answer.
        ground_truth: what ``answer`` matches.
        answer: the form of an answer.
        otherwise: what a ground truth of another form is, which gives ``unscored``.
    """
    if answer.fullmatch(ground_truth) is None:
        return Verdict(None, Status.UNSCORED, detail=f"the ground truth {ground_truth[:80]!r} {otherwise}")
    line = response.rpartition(";")[2]
    said = line.removeprefix("#")
    if said == line or answer.fullmatch(said) is None:
        return Verdict(0.0, Status.NO_ANSWER)
    if said == ground_truth:
        return Verdict(1.0, Status.CORRECT, extracted=said)
    return Verdict(0.0, Status.WRONG, extracted=said)
