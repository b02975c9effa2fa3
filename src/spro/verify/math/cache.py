"""What was decided once: a policy repeats its answers, a group of responses most of all."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from spro.verify.verdict import Status


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """How a cache has done.

    Attributes:
        hits: questions that it could answer.
        misses: questions that it could not.
        size: pairs that it holds.
    """

    hits: int
    misses: int
    size: int


class DecidedCache:
    """Ground truth and answer to correct or wrong, for the pairs asked for last; any thread may use it.

    Nothing else is remembered: a timeout may be the machine's fault. Pairs are kept as digests, 32 bytes each.

    Args:
        limit: pairs that it holds at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._decided: OrderedDict[bytes, Status] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = 0
        self._misses = 0

    @property
    def counts(self) -> CacheCounts:
        """So far."""
        with self._lock:
            return CacheCounts(self._hits, self._misses, len(self._decided))

    def get(self, truth: str, answer: str) -> Status | None:
        """What was decided of a pair, if it was."""
        key = _key(truth, answer)
        with self._lock:
            status = self._decided.get(key)
            if status is None:
                self._misses += 1
            else:
                self._hits += 1
                self._decided.move_to_end(key)
            return status

    def put(self, truth: str, answer: str, status: Status) -> None:
        """Remember a pair; the one longest not asked for is forgotten for it.

        Raises:
            ValueError: the status is neither correct nor wrong.
        """
        if status not in (Status.CORRECT, Status.WRONG):
            raise ValueError(f"{status} is nothing that stays true")
        with self._lock:
            self._decided[_key(truth, answer)] = status
            while len(self._decided) > self._limit:
                self._decided.popitem(last=False)


def _key(truth: str, answer: str) -> bytes:
    # A length before the first text keeps the two apart; lone surrogates are text too.
    texts = f"{len(truth)} {truth}{answer}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(texts).digest()
