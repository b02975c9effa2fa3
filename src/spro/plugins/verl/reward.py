"""The verifiers as a reward function of verl.

reward.custom_reward_function.path=pkg://spro.plugins.verl.reward
reward.custom_reward_function.name=compute_score
"""

import json
from collections.abc import Mapping
from typing import Any

from spro.errors import ConfigError, DataError, WorkerError
from spro.tasks import to_text
from spro.verify import verify_code, verify_math

VERIFIERS = ("math", "code")


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: Mapping[str, Any] | None = None,
    *,
    verifier: str | None = None,
    boxes: str = "last",
    max_tests: int | None = None,
    prime_compat: bool = False,
    reward_router_address: object = None,
    reward_model_tokenizer: object = None,
) -> dict[str, float]:
    """The score of one response, with the signature that verl calls.

    Args:
        data_source: of the row, for messages.
        solution_str: the whole response, as text.
        ground_truth: of the row's ``reward_model``, read as ``spro train`` reads it: text, or a number.
        extra_info: of the row; not read.
        verifier: ``math`` or ``code``, of ``reward.custom_reward_function.reward_kwargs``. Without it: ``code`` where
            the ground truth is a JSON object with ``inputs`` and ``outputs``, as in Eurus-2-RL-Data, else ``math``.
        boxes: of ``reward_kwargs`` too; see ``verify_math``.
        max_tests: likewise; see ``verify_code``.
        prime_compat: likewise.
        reward_router_address: of verl, where it serves a reward model; not read.
        reward_model_tokenizer: likewise.

    Raises:
        ConfigError: there is no such verifier.
        DataError: the ground truth is no text.
        WorkerError: this response could not be graded. verl then leaves it out of its group: it is not a wrong answer.
    """
    truth = _read(ground_truth, data_source)
    name = verifier or _verifier_of(truth)
    if name not in VERIFIERS:
        raise ConfigError(f"reward_kwargs.verifier is {name!r}; known: {', '.join(VERIFIERS)}")
    if name == "math":
        verdict = verify_math(solution_str, truth, boxes=boxes)
    else:
        verdict = verify_code(solution_str, truth, max_tests=max_tests, prime_compat=prime_compat)
    if verdict.score is None:
        raise WorkerError(f"a response to a problem of {data_source!r} could not be graded: {verdict.detail}")
    return {"score": verdict.score, "acc": verdict.score}


def _read(ground_truth: object, data_source: str) -> str:
    try:
        text = to_text(ground_truth)
    except TypeError:
        kind = type(ground_truth).__name__
        raise DataError(f"reward_model.ground_truth of a row of {data_source!r} is a {kind}, expected text") from None
    if text is None:
        raise WorkerError(f"a problem of {data_source!r} has no ground truth: leave its row out")
    return text


def _verifier_of(ground_truth: str) -> str:
    try:
        tests = json.loads(ground_truth)
    except (ValueError, RecursionError):
        return "math"
    return "code" if isinstance(tests, dict) and {"inputs", "outputs"} <= tests.keys() else "math"
