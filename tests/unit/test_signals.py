"""Signals are handled within, and have their ordinary effect again afterwards."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from spro.signals import ENDING, leave, on_signals


@pytest.fixture(autouse=True)
def ordinary() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in ENDING}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("number", ENDING)
def test_each_is_handled_as_often_as_it_comes(number: signal.Signals) -> None:
    before, caught = [signal.getsignal(each) for each in ENDING], []
    with on_signals(lambda number, put_back: caught.append(number)):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert caught == [number, number]
    assert [signal.getsignal(each) for each in ENDING] == before


def test_the_ordinary_effect_can_be_put_back_at_once() -> None:
    before = [signal.getsignal(each) for each in ENDING]

    def once(number: int, put_back: Callable[[], None]) -> None:
        put_back()

    with on_signals(once):
        os.kill(os.getpid(), signal.SIGTERM)
        assert [signal.getsignal(each) for each in ENDING] == before


def test_one_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    caught: list[int] = []
    with on_signals(lambda number, put_back: caught.append(number)):
        os.kill(os.getpid(), signal.SIGHUP)
    assert caught == []
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_only_those_wanted_are_handled_and_leaving_cleans_up() -> None:
    before, cleaned = [signal.getsignal(each) for each in ENDING], []

    def end() -> None:
        with on_signals(leave, (signal.SIGTERM,)):
            assert signal.getsignal(signal.SIGINT) is before[0]
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                cleaned.append(True)

    with pytest.raises(SystemExit) as left:
        end()
    assert left.value.code == 143
    assert cleaned
    assert [signal.getsignal(each) for each in ENDING] == before
