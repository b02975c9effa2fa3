"""No program is paid for what it did not solve, and none gets out of being judged; see ``escapes/hacks.py``."""

import json
import secrets
import subprocess
import sys

import pytest
from tests.security import cages, naive_grader
from tests.security.escapes.hacks import IN_FUNCTIONS, IN_SCRIPTS, NO_USE_ANYWHERE, SABOTAGE, source_of

LIMITS = cages.LIMITS | {"cpu_s": 1, "wall_s": 1.5, "total_s": 6.0}
# What has to come to its end does so on a machine that stands still for some seconds, too.
PATIENT = cages.LIMITS | {"cpu_s": 10, "wall_s": 60.0, "total_s": 180.0}
SCRIPTS = IN_SCRIPTS | NO_USE_ANYWHERE
UNLIKE_EACH_OTHER = [101 + secrets.randbelow(300), 501 + secrets.randbelow(300)]


def problem_of(kind):
    """Two tests whose outputs nobody can guess."""
    if kind == "function":
        return {"inputs": [[1], [2]], "outputs": UNLIKE_EACH_OTHER, "fn_name": "f"}
    return {"inputs": ["1\n", "2\n"], "outputs": [f"{n}\n" for n in UNLIKE_EACH_OTHER]}


def honest(kind):
    table = f"answer = {dict(zip((1, 2), UNLIKE_EACH_OTHER, strict=True))}.get\n"
    return table + ("f = answer\n" if kind == "function" else "print(answer(int(input())))\n")


CASES = {
    **{f"function-{name}": ("function", source_of(text)) for name, text in IN_FUNCTIONS.items()},
    **{f"script-{name}": ("script", source_of(text)) for name, text in SCRIPTS.items()},
    **{f"sabotage-{name}": ("script", source_of(text)) for name, text in SABOTAGE.items()},
    **{f"honest-{kind}": (kind, honest(kind)) for kind in ("function", "script")},
}


def judge(trainer, name):
    kind, source = CASES[name]
    limits = PATIENT if name.startswith("honest") else LIMITS
    return trainer.judge(f"It is so:\n```python\n{source}```\n", json.dumps(problem_of(kind)), limits)


@pytest.fixture(scope="module", params=cages.TRAINERS)
def crew(request):
    level, has_user = cages.skip_unless_possible(request.param)
    found = cages.Crew(level, has_user, judge)
    found.begin(cages.chosen(request, request.param))
    yield found
    found.close()


@pytest.mark.parametrize("name", CASES)
def test_only_a_solution_is_paid_and_all_are_judged(crew, name):
    verdict = crew.result(name)
    assert verdict["status"] != "unscored", verdict
    assert verdict["score"] == (1.0 if name.startswith("honest") else 0.0), verdict


def naive_score(source, tests):
    words = [sys.executable, "-S", naive_grader.__file__, source, json.dumps(tests)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd="/")
    last = ([""] + [line for line in done.stdout.splitlines() if line])[-1]
    if not last.startswith('{"passed"'):
        return float(done.returncode == 0)
    passed = json.loads(last)["passed"]
    return sum(map(bool, passed)) / len(passed)


@pytest.mark.parametrize(
    "name", [f"function-{name}" for name in IN_FUNCTIONS] + [f"script-{name}" for name in IN_SCRIPTS]
)
def test_a_naive_grader_pays(name):
    kind, source = CASES[name]
    assert naive_score(source, problem_of(kind)) > 0
    wrong = "f = lambda x: None\n" if kind == "function" else "print('?')\n"
    assert naive_score(wrong, problem_of(kind)) == 0
