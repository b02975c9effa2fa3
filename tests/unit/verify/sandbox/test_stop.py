"""Programs end when whoever asked for them no longer wants to know."""

import threading
import time

import pytest
from sandbox_helpers import PATIENT, CommandCage
from tests.waiting import children, wait_for

from spro.errors import SandboxError
from spro.verify.code.tests import CodeTests
from spro.verify.code.verifier import CodeVerifier
from spro.verify.sandbox import Job, Sandbox
from spro.verify.verdict import Status

pytestmark = pytest.mark.usefixtures("no_leaks")
SLEEPING = "```python\nimport time\ntime.sleep(1000)\n```"
TESTS = CodeTests((b"",) * 5, ("",) * 5)


def test_closing_a_verifier_ends_its_programs(sandbox):
    verify, before, verdicts = CodeVerifier(lambda: sandbox, PATIENT, workers=1), children(), []
    # The second waits for the first.
    threads = [threading.Thread(target=lambda: verdicts.append(verify.judge(SLEEPING, TESTS))) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: children() - before)
    began = time.monotonic()
    verify.close()
    for thread in threads:
        thread.join(100)
    # One test alone would take three hundred.
    assert time.monotonic() - began < 100
    assert [(verdict.status, verdict.detail) for verdict in verdicts] == [
        (Status.UNSCORED, "the verifier was closed")
    ] * 2


def test_a_stopped_run_is_not_tried_again():
    cage, stop = CommandCage("/bin/sleep", "60"), threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(SandboxError, match="stopped"):
        Sandbox(cage, "").run(Job("", (b"",)), stop=stop)
    timer.join()
    assert cage.starts == 1
