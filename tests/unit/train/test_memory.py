"""The gauge of memory."""

import gc
import mmap

import pytest
import torch

from spro.train import memory
from spro.train.memory import GROWTH, SETTLED, MemoryGauge, host_bytes


def test_what_is_held_is_seen() -> None:
    # Or what earlier tests left behind goes between the two looks.
    gc.collect()
    before = host_bytes()
    # Straight from the system: an allocator may hand out what earlier tests gave back, and nothing grows.
    with mmap.mmap(-1, 2**27) as held:
        for page in range(0, 2**27, mmap.PAGESIZE):
            held[page] = 1
        assert 100 * 2**20 < host_bytes() - before < 200 * 2**20


def test_growth_is_told_once_and_only_behind_the_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [100 + step for step in range(SETTLED)] + [150, 200, 300]
    told = []
    gauge = MemoryGauge(torch.device("cpu"))
    for size in sizes:
        monkeypatch.setattr(memory, "host_bytes", lambda size=size: size * 2**20)
        metrics, line = gauge.read()
        assert metrics["memory/host_mib"] == size
        told.append(line)
    assert told[-2].startswith(f"memory grew from {99 + SETTLED} to 200 MiB")
    assert 200 > GROWTH * (99 + SETTLED) > 150
    assert not any(told[:-2])
    assert not told[-1]
