"""The verifiers as reward functions: scores where there are verdicts, ``None`` where nothing could be graded."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from spro.errors import RewardError
from spro.verify.code.verifier import verify_code
from spro.verify.math.shared import verify_math
from spro.verify.rewards.completions import Completions, Rewards, text_of
from spro.verify.verdict import Verdict

_AT_A_TIME = 4


def math_reward(*, completions: Completions, ground_truth: Sequence[str], **columns: object) -> Rewards:
    """The score of each boxed answer, see ``verify_math``."""
    return _scores(verify_math, completions, ground_truth)


def code_reward(*, completions: Completions, ground_truth: Sequence[str], **columns: object) -> Rewards:
    """The share of tests that each program passes, see ``verify_code``."""
    return _scores(verify_code, completions, ground_truth)


def _scores(verify: Callable[[str, str], Verdict], completions: Completions, golds: Sequence[str]) -> Rewards:
    texts = [text_of(completion) for completion in completions]
    if len(texts) != len(golds):
        raise RewardError(f"there are {len(texts)} completions and {len(golds)} ground truths")
    # Both work in other processes; the threads only wait.
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return [verdict.score for verdict in threads.map(verify, texts, golds)]
