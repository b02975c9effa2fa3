import os

import pytest
from sandbox_helpers import ROOMY, call, output, run_one

from spro.verify.sandbox import Job, Limits, RunStatus, Sandbox
from spro.verify.sandbox.plain import PlainCage

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def plain():
    return Sandbox(PlainCage(), "")


def test_runs(plain):
    assert output(plain, "print(input())", b"x") == b"x\n"
    assert call(plain, "def f(x): return x", (1, {2})).value == (1, {2})


def test_sweeps_only_its_own(plain):
    """Without a namespace, to kill everything would be to kill the trainer."""
    source = "import os, time\nif os.fork() == 0:\n time.sleep(50)\nprint(1)"
    runs = plain.run(Job(source, (b"", b"")), ROOMY)
    assert [run.stdout for run in runs] == [b"1\n"] * 2


def test_limits_hold(plain):
    assert run_one(plain, "import time; time.sleep(50)", limits=Limits(wall_s=0.5)).status is RunStatus.TIMEOUT
    assert run_one(plain, "x = bytearray(2 ** 31)").status is RunStatus.MEMORY


def test_folder_is_removed(plain):
    folder = output(plain, "import os; print(os.getcwd())").decode().strip()
    assert "spro-sandbox-" in folder
    assert not os.path.exists(folder)
