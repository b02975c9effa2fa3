import os
import subprocess
import sys
from pathlib import Path

import pytest

from spro.verify import MathVerifier, Status
from spro.verify.math.worker import decide

# In this process and its main thread, where the alarms work as they do in the worker.


def ask(gold, answer, seconds=20.0, **fields):
    return decide({"answers": [gold], "unit": "", "tolerance": 0.0, "answer": answer, "seconds": seconds, **fields})


def test_decides():
    assert ask(r"\frac12", "0.5") == {"status": "correct", "detail": ""}
    assert ask(r"\frac12", "0.6") == {"status": "wrong", "detail": ""}


def test_guards_for_itself():
    assert ask("6", r"2\times3=6")["status"] == "wrong"
    assert ask("5", "5,5")["status"] == "wrong"


def test_unit_and_tolerance():
    assert ask("4.2", r"4.25 \%", unit="%", tolerance=0.1)["status"] == "correct"
    assert ask("4.2", "4.31", unit="%", tolerance=0.1)["status"] == "wrong"
    assert ask("4.2", "4.2000001")["status"] == "correct"


def test_interval_and_inequality_are_the_same_range():
    assert ask("1<x<2", "(1,2)")["status"] == "correct"
    assert ask("(1,2)", "1<x<2")["status"] == "correct"
    assert ask("(1,2)", "1<x<3")["status"] == "wrong"


@pytest.mark.parametrize(
    "answer", ["", "\\", "}{", "$", "$1$", "\\frac{", "\\begin{pmatrix}", "\0", "\ud800", "(" * 40]
)
def test_malformed_answers_are_wrong(answer):
    assert ask("5", answer)["status"] == "wrong"


@pytest.mark.parametrize("gold", ["t(0,4]", "}{"])
def test_unreadable_gold_is_unscored_unless_the_string_is_right(gold):
    reply = ask(gold, "5")
    assert reply["status"] == "unscored"
    assert repr(gold) in reply["detail"]
    assert ask(gold, gold)["status"] == "correct"


def test_hanging_gold_is_not_the_answers_fault():
    with pytest.raises(Exception, match="takes too much to read") as caught:
        ask(r"\binom{1000000000}{500000000}", r"\binom{1000000000}{500000001}", seconds=2.5)
    assert not isinstance(caught.value, TimeoutError | MemoryError), "either would be the answer's own doing"


def test_hanging_answer_is_a_timeout():
    with pytest.raises(TimeoutError):
        ask("5", "9^{9^{9^9}}", seconds=3.0)


@pytest.fixture
def with_gmpy2(tmp_path):
    """A program that is the worker with a module named gmpy2 within its reach; the module cannot be imported."""
    (tmp_path / "gmpy2.py").write_text("raise RuntimeError('gmpy2 was imported')\n")
    program = tmp_path / "worker.py"
    program.write_text(
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "runpy.run_module('spro.verify.math.worker', run_name='__main__')\n"
    )
    return program


def test_worker_ignores_gmpy2(with_gmpy2):
    with MathVerifier(workers=1, program=(str(with_gmpy2),)) as verify:
        assert verify(r"\boxed{2/4}", "0.5").status is Status.CORRECT


def test_gmpy2_would_be_imported_without_our_environment(with_gmpy2):
    environment = {name: value for name, value in os.environ.items() if name != "SYMPY_GROUND_TYPES"}
    command = [sys.executable, "-I", str(Path(with_gmpy2)), str(2**31)]
    found = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    assert "gmpy2 was imported" in found.stderr
