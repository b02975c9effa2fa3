"""Text of a model or a data set that would run if any part of the mathematical grader evaluated it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spro.verify import MathVerifier, Status

# PLANTED becomes a path that must not come to exist. The first four run in graders of the prime_math family.
INJECTIONS = [
    r"open('PLANTED','w')#\pi",
    r"\begin{pmatrix} open('PLANTED','w') \end{pmatrix}",
    "[open('PLANTED','w'),2]",
    "(open('PLANTED','w'),2)",
    "open('PLANTED','w')",
    "__import__('os').system('touch PLANTED')",
    r"\text{__import__('os').system('touch PLANTED')}",
    "().__class__.__base__.__subclasses__()",
    "lambda: open('PLANTED','w')",
    "{open('PLANTED','w')}",
    "1 if open('PLANTED','w') else 2",
    "5; open('PLANTED','w')",
    r"\input{PLANTED}",
    r"\write18{touch PLANTED}",
    r"\immediate\write18{touch PLANTED} 5",
    "$(touch PLANTED)",
    "`touch PLANTED`",
    "{{7*7}}%{open('PLANTED','w')}",
    "eval(\"open('PLANTED','w')\")",
    "Symbol('x').__class__.__init__.__globals__['open']('PLANTED','w')",
]


@pytest.fixture(scope="module")
def verifier():
    with MathVerifier(workers=1, timeout_s=10.0) as verifier:
        yield verifier


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_runs(verifier, tmp_path, text):
    planted = tmp_path / "planted"
    hostile = text.replace("PLANTED", str(planted))
    verdict = verifier(rf"\boxed{{{hostile}}}", "5")
    assert verdict.status in {Status.WRONG, Status.NO_ANSWER}
    assert verifier(r"\boxed{5}", hostile).status is not Status.CORRECT
    assert verifier(rf"\boxed{{{hostile}}}", r"\pi").status is not Status.CORRECT
    assert not planted.exists()
    assert not Path("PLANTED").exists()


def test_the_worker_could_have_planted(tmp_path):
    # Else the test above proves nothing: the same user, the same interpreter, the same text evaluated on purpose.
    planted = tmp_path / "planted"
    text = INJECTIONS[0].replace("PLANTED", str(planted))
    subprocess.run([sys.executable, "-I", "-c", f"import sympy; sympy.sympify({text!r})"], check=False, env=os.environ)
    assert planted.exists()
