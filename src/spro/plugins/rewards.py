"""The verifiers as one reward function for data in the form of Eurus-2-RL-Data, which is verl's.

Its columns are data_source, prompt (a chat), ability, reward_model ({style, ground_truth}) and extra_info, so that one
file serves spro, verl and TRL.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from spro.errors import DataError
from spro.tasks import to_text
from spro.verify import Verdict, verify_code, verify_math

VERIFIERS: dict[str, Callable[[str, str], Verdict]] = {"math": verify_math, "code": verify_code}
"""Who judges a row, by its ``ability``."""

_AT_A_TIME = 4
"""Responses judged at once: two for each of the two workers of ``verify_math``, so that neither waits for the next.

As few for programs, of which ``verify_code`` runs one a processor; each process of a host judges its own responses.
"""


def verified_reward(
    *,
    completions: Sequence[str | Sequence[Mapping[str, str]]],
    reward_model: Sequence[Mapping[str, object]],
    ability: Sequence[str],
    **columns: object,
) -> list[float | None]:
    r"""The score of each response, with TRL's signature; see ``verify_math`` and ``verify_code``.

    Example:
        >>> verified_reward(completions=[r"\boxed{2}"], reward_model=[{"ground_truth": "2"}], ability=["math"])
        [1.0]

    Args:
        completions: texts, or chats of which the last message counts.
        reward_model: of each row; ``ground_truth`` is the answer, or the tests as JSON.
        ability: of each row; ``math`` or ``code``.
        columns: the others, which are not read.

    Returns:
        Scores in [0, 1]; ``None`` where nothing could be graded, or the row has no ground truth.

    Raises:
        DataError: a row is of another ability or its ground truth is no text, or the columns are of different lengths.
    """
    if not len(completions) == len(reward_model) == len(ability):
        raise DataError(
            f"there are {len(completions)} completions, {len(reward_model)} reward_model and {len(ability)} ability"
        )
    unknown = sorted({str(name) for name in ability} - VERIFIERS.keys())
    if unknown:
        raise DataError(
            f"ability is {unknown[0]!r}, and there are verifiers for {', '.join(VERIFIERS)}: leave such rows out"
        )
    truths = [_ground_truth(row, of_row) for row, of_row in enumerate(reward_model)]
    texts = [text if isinstance(text, str) else text[-1]["content"] for text in completions]
    # Both verifiers work in other processes; the threads only wait.
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return list(threads.map(_score, ability, texts, truths))


def _score(ability: str, text: str, ground_truth: str | None) -> float | None:
    return None if ground_truth is None else VERIFIERS[ability](text, ground_truth).score


def _ground_truth(row: int, reward_model: Mapping[str, object]) -> str | None:
    value = reward_model.get("ground_truth")
    try:
        return to_text(value)
    except TypeError as error:
        kind = type(value).__name__
        raise DataError(f"the ground_truth of row {row} is a {kind}: give text or a number") from error
