import os
import subprocess
import sys
import threading

import pytest

from spro.verify import Status
from spro.verify.math.shared import verify_math


def run(script):
    found = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


def test_from_any_thread():
    statuses = []
    threads = [
        threading.Thread(target=lambda n=n: statuses.append(verify_math(rf"\boxed{{{n}/2}}", f"{n}/2.0").status))
        for n in (1, 3, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [Status.CORRECT] * 3


def test_boxes():
    assert verify_math(r"\boxed{1} or \boxed{5}", "5").status is Status.CORRECT
    assert verify_math(r"\boxed{1} or \boxed{5}", "5", boxes="all_equal").status is Status.WRONG
    with pytest.raises(ValueError, match="some"):
        verify_math(r"\boxed{1}", "5", boxes="some")


def test_starts_nothing_before_it_must_and_ends_with_the_process():
    seen = run(
        "from spro.verify.math import shared\n"
        "from spro.verify.math.shared import verify_math\n"
        "print(verify_math('5', '5').status, len(shared._SHARED.get().pids))\n"
        "print(verify_math(r'\\boxed{2/4}', '0.5').status, *shared._SHARED.get().pids)\n"
    )
    assert seen[:3] == ["no_answer", "0", "correct"]
    assert seen[3:]
    for pid in seen[3:]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_fork_of_the_caller_gets_its_own_and_leaves_the_parents():
    seen = run(
        "import os, sys\n"
        "from spro.verify.math import shared\n"
        "from spro.verify.math.shared import verify_math\n"
        "verify_math(r'\\boxed{2/4}', '0.5')\n"
        "mine = set(shared._SHARED.get().pids)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    print('child', verify_math(r'\\boxed{3/4}', '0.75').status, flush=True)\n"
        "    print(bool(mine & set(shared._SHARED.get().pids)), flush=True)\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print('parent', verify_math(r'\\boxed{7/4}', '1.75').status, mine <= set(shared._SHARED.get().pids))\n"
    )
    assert seen == ["child", "correct", "False", "parent", "correct", "True"]
