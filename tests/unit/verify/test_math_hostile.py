import time
from pathlib import Path

import pytest
from math_hostile import BOXED, RAW

from spro.verify import MathVerifier, Status

TIMEOUT_S = 2.0
MEMORY_BYTES = 2**30
# By the clock, which runs on while the machine stands still or a killed worker's successor comes up. A hang is endless;
# how long answers take on a quiet machine is measured by `pytest --durations`, and no business of a test.
PATIENCE_S = 60.0


def resident(pid):
    """Bytes, 0 if the process has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


@pytest.fixture(scope="module")
def verifier():
    with MathVerifier(workers=1, timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES) as verifier:
        # Seconds of the CPU end what is hostile, and what is harmless gets an answer on the slowest of machines.
        verifier._pool._timeout_s = PATIENCE_S
        assert verifier(r"\boxed{2/4}", "0.5").score == 1.0
        yield verifier


def test_there_are_enough():
    assert len(BOXED) + len(RAW) >= 60


@pytest.mark.parametrize("row", range(len(BOXED)))
def test_hostile_answer(verifier, row):
    judge(verifier, rf"\boxed{{{BOXED[row]}}}", row)


@pytest.mark.parametrize("row", range(len(RAW)))
def test_hostile_response(verifier, row):
    judge(verifier, RAW[row], row)


def judge(verifier, response, row):
    began = time.monotonic()
    verdict = verifier(response, "5")
    assert time.monotonic() - began < PATIENCE_S + 30.0
    assert verdict.status in {Status.WRONG, Status.NO_ANSWER, Status.TIMEOUT, Status.MEMORY}
    assert max(map(resident, verifier.pids), default=0) < MEMORY_BYTES
    # The worker, or the one in its place, is as good as new. Numbers that the cache does not know.
    assert verifier(rf"\boxed{{\frac{{{2 * row + 1}}}{{2}}}}", f"{row}.5").status is Status.CORRECT


@pytest.mark.parametrize("answer", [r"9^{9^{9^9}}", "(x+1)^{10000}", r"\binom{1000000000}{500000000} + 0"])
def test_hostile_ground_truth(verifier, answer):
    verdict = verifier(r"\boxed{5}", answer)
    assert verdict.status in {Status.UNSCORED, Status.WRONG, Status.TIMEOUT}
    assert verifier(r"\boxed{3/6}", "0.5").status is Status.CORRECT
