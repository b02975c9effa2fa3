from concurrent.futures import ThreadPoolExecutor

import pytest

from spro.verify.math.cache import CacheCounts, DecidedCache
from spro.verify.verdict import Status


def test_remembers_and_counts():
    cache = DecidedCache(2)
    assert cache.get("1", "2") is None
    cache.put("1", "2", Status.WRONG)
    assert cache.get("1", "2") is Status.WRONG
    assert cache.get("12", "") is None, "where one text ends counts"
    assert cache.counts == CacheCounts(hits=1, misses=2, size=1)


def test_forgets_what_was_not_asked_for_longest():
    cache = DecidedCache(2)
    cache.put("a", "", Status.CORRECT)
    cache.put("b", "", Status.CORRECT)
    cache.get("a", "")
    cache.put("c", "", Status.CORRECT)
    assert [cache.get(truth, "") for truth in "abc"] == [Status.CORRECT, None, Status.CORRECT]


def test_none_of_it():
    cache = DecidedCache(0)
    cache.put("a", "\ud800", Status.CORRECT)
    assert cache.get("a", "\ud800") is None


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.CORRECT, Status.WRONG}))
def test_only_what_stays_true(status):
    with pytest.raises(ValueError, match="stays true"):
        DecidedCache(2).put("a", "b", status)


def test_threads():
    cache = DecidedCache(50)

    def use(n):
        cache.put(str(n % 100), "", Status.CORRECT)
        return cache.get(str(n % 100), "")

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(use, range(5_000))) <= {Status.CORRECT, None}
    assert cache.counts.size == 50
    assert cache.counts.hits + cache.counts.misses == 5_000
