"""What becomes of programs, each in the real sandbox."""

import math
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sandbox_helpers import PATIENT, ROOMY, call, output, run_one

from spro.verify.sandbox import Job, Limits, Opaque, RunStatus, runner

pytestmark = pytest.mark.usefixtures("no_leaks")
MIB = 2**20


def test_script(sandbox):
    job = Job("a, b = map(int, input().split())\nprint(a + b)", (b"1 2\n", b"3 4\n", b"x\n"))
    one, two, three = sandbox.run(job)
    assert (one.status, one.stdout, two.stdout) == (RunStatus.FINISHED, b"3\n", b"7\n")
    assert three.status is RunStatus.FAILED
    assert three.detail.startswith("ValueError: invalid literal")


def test_nothing_to_run(sandbox):
    assert sandbox.run(Job("print(1)", ())) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import sys; print(sys.stdin.read())", b"one\ntwo\n\n"),
        ("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", b"one\ntwo\n"),
        ("print(open(0).read())", b"one\ntwo\n\n"),
        ("import os; print(os.read(0, 3))", b"b'one'\n"),
        ("import sys; sys.stdin.readline(); sys.stdin.seek(0); print(input())", b"one\n"),
        ("import sys; print([line for line in sys.stdin])", b"['one\\n', 'two\\n']\n"),
        ("if __name__ == '__main__': print(__name__, __file__)", b"__main__ program.py\n"),
        ("import sys; print(sys.argv)", b"['program.py']\n"),
        ("import atexit; atexit.register(print, 'late'); print('early')", b"early\nlate\n"),
        ("import threading, time\ndef f():\n time.sleep(.1)\n print('t')\nthreading.Thread(target=f).start()", b"t\n"),
        ("f = open(1, 'w', closefd=False); f.write('unflushed')", b"unflushed"),
        ("print(1); exit()", b"1\n"),
        ("print(1); quit(0)", b"1\n"),
        ("print(1); raise SystemExit", b"1\n"),
        ("import os; os.write(1, b'2'); os._exit(0)", b"2"),
        ("import sys; sys.stdout.write('\\r\\n')", b"\r\n"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)))", bytes(range(256))),
        ("print('\\u00e9\\ud800'.encode('utf-8', 'replace'))", b"b'\\xc3\\xa9?'\n"),
        ("print({'a', 'b', 'c', 'd', 'e'} == {'e', 'd', 'c', 'b', 'a'})", b"True\n"),
    ],
)
def test_ordinary_programs(sandbox, source, expected):
    assert output(sandbox, source, b"one\ntwo\n") == expected


def test_bytes_that_are_no_text(sandbox):
    assert output(sandbox, "print(input())", b"\xff\xfe\n") == b"\xff\xfe\n"


def test_order_of_sets_is_fixed(sandbox):
    outputs = {output(sandbox, "print(set(map(str, range(50))))") for _ in range(2)}
    assert len(outputs) == 1


def test_each_test_begins_anew(sandbox):
    source = "import os, math\nprint(os.listdir('.'), hasattr(math, 'mark'))\nmath.mark = 1\nos.makedirs('a/b')"
    runs = sandbox.run(Job(source, (b"", b"")), ROOMY)
    assert [run.stdout for run in runs] == [b"['program.py'] False\n"] * 2


CLOSED = """
import os
print(os.listdir("."))
os.makedirs("a/b")
open("a/b/x", "w").close()
for folder in ("a/b", "a", "."):
    os.chmod(folder, 0)
"""
DEEP = "import os\nprint('made')\nfor _ in range(3000): os.mkdir('a'); os.chdir('a')"


def test_closed_folders_do_not_outlive_a_test(sandbox):
    runs = sandbox.run(Job(CLOSED, (b"",) * 3), ROOMY)
    assert [run.stdout for run in runs] == [b"['program.py']\n"] * 3


def test_no_test_begins_where_something_is_left(sandbox):
    first, *others = sandbox.run(Job(DEEP, (b"",) * 3), ROOMY)
    assert (first.status, first.stdout) == (RunStatus.FINISHED, b"made\n")
    assert [run.status for run in others] == [RunStatus.LOST] * 2


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("raise KeyError('x\\ny')", "KeyError: 'x\\ny'"),
        ("print('x'", "SyntaxError: '(' was never closed"),
        ("\0", "null bytes"),
        ("exit(3)", "exit code 3"),
        ("raise SystemExit('words')", "words"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "Segmentation fault"),
        ("import sys; sys.exit(120)", "exit code 120"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("import sys; sys.stderr.buffer.write(b'\\xff\\n'); exit(1)", "\ufffd"),
        ("\udcff", "Error"),
    ],
)
def test_failures(sandbox, source, detail):
    run = run_one(sandbox, source)
    assert run.status is RunStatus.FAILED
    assert detail in run.detail
    assert "\n" not in run.detail


SPIN = Limits(cpu_s=1, wall_s=60.0)


@pytest.mark.parametrize(
    ("source", "limits", "status", "detail"),
    [
        ("while True: pass", SPIN, RunStatus.TIMEOUT, "1 s of the CPU"),
        (
            "import signal\nsignal.signal(24, signal.SIG_IGN)\nwhile True: pass",
            SPIN,
            RunStatus.TIMEOUT,
            "1 s of the CPU",
        ),
        ("x = bytearray(2 ** 31)", ROOMY, RunStatus.MEMORY, "MemoryError"),
        ("x = []\nwhile True: x.append(bytes(10 ** 6))", ROOMY, RunStatus.MEMORY, "MemoryError"),
        ("while True: print('x' * 100)", ROOMY, RunStatus.OUTPUT, ""),
        ("print('x' * 5_000_000)", ROOMY, RunStatus.OUTPUT, ""),
        ("open('f', 'wb').write(bytes(10 ** 8))", ROOMY, RunStatus.FAILED, "File too large"),
    ],
)
def test_limits(sandbox, source, limits, status, detail):
    run = run_before_another(sandbox, source, limits)
    assert run.status is status, run
    assert detail in run.detail


DEAF = """
import signal
for number in set(range(1, 65)) - {9, 19, 32, 33}:
    signal.signal(number, lambda *_: None)
while True:
    signal.pause()
"""
IDLE = [
    "import time; time.sleep(1000)",
    DEAF,
    "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
]


def test_limit_by_the_clock(sandbox):
    # What follows has no more time than these, which would never end: on a machine that stands still it wants much. So
    # all of them wait at once.
    limits = Limits(cpu_s=60, wall_s=15.0, total_s=200.0)
    with ThreadPoolExecutor(len(IDLE)) as threads:
        runs = list(threads.map(lambda source: run_before_another(sandbox, source, limits), IDLE))
    assert [(run.status, run.detail) for run in runs] == [(RunStatus.TIMEOUT, "15 s by the clock")] * len(IDLE)


def test_limit_by_the_clock_of_what_never_pauses(sandbox):
    limits = Limits(cpu_s=60, wall_s=3.0)
    run = run_one(sandbox, "import sys\nwhile True: sys.stderr.write('x' * 10 ** 6)", limits=limits)
    assert (run.status, run.detail) == (RunStatus.TIMEOUT, "3 s by the clock")


def run_before_another(sandbox, source, limits):
    """A run; one that ends badly is no trouble for the next."""
    source = f"if input() == 'go':\n exec({source!r})\nelse:\n print('after')"
    run, following = sandbox.run(Job(source, (b"go", b"no")), limits)
    assert (following.status, following.stdout) == (RunStatus.FINISHED, b"after\n"), (run, following)
    return run


def test_limit_of_output_is_exact(sandbox):
    limits = Limits(output_bytes=1000)
    assert run_one(sandbox, "print('x' * 999)", limits=limits).status is RunStatus.FINISHED
    run = run_one(sandbox, "print('x' * 1000)", limits=limits)
    assert (run.status, len(run.stdout)) == (RunStatus.OUTPUT, 1000)


def test_working_folder_is_bounded(sandbox):
    source = """
import os
try:
    for i in range(100):
        open(str(i), "wb").write(bytes(2 ** 20))
except OSError as error:
    print(error.errno)
"""
    assert output(sandbox, source, limits=Limits(folder_bytes=8 * MIB)) == b"28\n"


def test_large_input_and_output(sandbox):
    given = os.urandom(20 * MIB)
    source = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d)"
    limits = Limits(output_bytes=len(given), total_s=120, cpu_s=60, wall_s=60)
    assert output(sandbox, source, given, limits) == given


def test_large_input_that_nobody_reads(sandbox):
    runs = sandbox.run(Job("print(1)", (bytes(20 * MIB), b"", bytes(20 * MIB))), ROOMY)
    assert [run.stdout for run in runs] == [b"1\n"] * 3


def test_large_stack_in_a_thread(sandbox):
    source = """
import sys, threading
sys.setrecursionlimit(10 ** 6)
threading.stack_size(2 ** 28)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
def main():
    print(depth(200_000))
thread = threading.Thread(target=main)
thread.start()
thread.join()
"""
    assert output(sandbox, source) == b"200000\n"


def test_calls(sandbox):
    source = "def f(a, b):\n print('noise')\n return {a: (b, {1, 2}), 'x': [1.5, None, True, b'\\xff', 2 ** 100]}"
    run = call(sandbox, source, 1, [2])
    assert run.status is RunStatus.FINISHED
    assert run.value == {1: ([2], {1, 2}), "x": [1.5, None, True, b"\xff", 2**100]}
    assert run.stdout == b""


@pytest.mark.parametrize(
    "value",
    [(1, (2,)), {1, 2}, {1: {2: 3}}, math.inf, 10**6000, b"\0\xff", "\ud800", [], None, frozenset({(1, "a")}), 1 + 2j],
    ids=lambda value: type(value).__name__,
)
def test_values_go_both_ways(sandbox, value):
    run = call(sandbox, "def f(x): return [type(x).__name__, x]", value)
    assert run.value == [type(value).__name__, value]
    assert type(run.value[1]) is type(value)


def test_nan_goes_both_ways(sandbox):
    assert math.isnan(call(sandbox, "def f(x): return x", math.nan).value)


def test_large_values(sandbox):
    value = list(range(500_000))
    limits = Limits(output_bytes=16 * MIB, cpu_s=60, wall_s=60)
    assert call(sandbox, "def f(x): return x", value, limits=limits).value == value


def test_methods_of_a_solution(sandbox):
    source = "class Solution:\n def __init__(self): self.n = 0\n def f(self, x):\n  self.n += x\n  return self.n"
    runs = sandbox.run(Job(source, ((1,), (2,)), "f"))
    assert [run.value for run in runs] == [1, 2]


def test_module_state_is_fresh_for_each_call(sandbox):
    source = "seen = []\ndef f(x):\n seen.append(x)\n return seen"
    assert [run.value for run in sandbox.run(Job(source, ((1,), (2,)), "f"))] == [[1], [2]]


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("def g(x): return x", RunStatus.FAILED, "no function 'f'"),
        ("def f(): return 1", RunStatus.FAILED, "TypeError"),
        ("def f(x): raise ValueError('bad')", RunStatus.FAILED, "ValueError: bad"),
        ("import os\ndef f(x): os._exit(0)", RunStatus.FAILED, "before the function returned"),
        ("def f(x): exit(0)", RunStatus.FAILED, "before the function returned"),
        ("input()\ndef f(x): return x", RunStatus.FAILED, "EOFError"),
        ("def f(x): return 'x' * 10 ** 7", RunStatus.OUTPUT, ""),
        ("def f(x): return bytearray(2 ** 31)", RunStatus.MEMORY, "MemoryError"),
        ("import os\ndef f(x): os.write(3, b'[' * 10000)", RunStatus.FAILED, "no value"),
    ],
)
def test_calls_that_fail(sandbox, source, status, detail):
    run = call(sandbox, source, 1)
    assert run.status is status, run
    assert detail in run.detail
    assert run.value is None


def test_value_that_claims_to_be_equal(sandbox):
    source = "class Yes:\n __eq__ = lambda *_: True\n __hash__ = lambda s: 1\ndef f(x): return Yes()"
    run = call(sandbox, source, 1)
    assert run.status is RunStatus.FINISHED
    assert isinstance(run.value, Opaque)
    assert run.value != 1


def test_noise_of_a_function_is_dropped(sandbox):
    source = "def f(x):\n for _ in range(50): print('x' * 10 ** 5)\n return x"
    assert call(sandbox, source, 5).value == 5


def test_arguments_must_be_plain_data(sandbox):
    with pytest.raises(TypeError, match="object is no plain data"):
        call(sandbox, "def f(x): return x", object())


HOLD = "import os, time\nif os.fork() == 0:\n {first}\n time.sleep(600)\n os._exit(0)\nprint('parent')"


@pytest.mark.parametrize("first", ["pass", "os.setsid()", "os.setsid(); os.fork()"])
def test_what_is_left_behind_is_ended(sandbox, first):
    began = time.monotonic()
    runs = sandbox.run(Job(HOLD.format(first=first), (b"",) * 3), PATIENT)
    assert [run.stdout for run in runs] == [b"parent\n"] * 3
    assert time.monotonic() - began < 100


def test_fork_bomb(sandbox):
    # The first goes on at full speed and ends by its seconds of the CPU; the others fill what room there is.
    source = """
import os, time
if input() == "go":
    first = os.getpid()
    while True:
        try:
            os.fork()
        except OSError:
            if os.getpid() != first:
                time.sleep(0.01)
print("fine")
"""
    bomb, after = sandbox.run(Job(source, (b"go", b"no")), SPIN)
    assert bomb.status is RunStatus.TIMEOUT
    assert after.stdout == b"fine\n"


@pytest.mark.parametrize(
    "source",
    [
        "import os; os.kill(-1, 9)",
        "import os; os.kill(os.getppid(), 9)",
        "import os, signal; os.kill(os.getppid(), signal.SIGINT)",
        "import os, signal; os.kill(os.getppid(), signal.SIGSTOP); os.kill(os.getppid(), 9)",
    ],
)
def test_killing_the_driver_is_the_programs_doing(sandbox, source):
    runs = sandbox.run(Job(source, (b"",) * 3), ROOMY)
    assert [run.status for run in runs] == [RunStatus.LOST] * 3


def test_stopping_the_driver_is_the_programs_doing(sandbox, monkeypatch):
    # Three seconds, long before the driver would end a program that has not come so far as to stop it.
    monkeypatch.setattr(runner, "_GRACE_S", -57.0)
    source = "import os, signal; os.kill(os.getppid(), signal.SIGSTOP)"
    runs = sandbox.run(Job(source, (b"", b"")), Limits(wall_s=60.0, total_s=200.0))
    assert [run.status for run in runs] == [RunStatus.LOST] * 2
    assert runs[0].detail == "the sandbox fell silent"


def test_time_of_all_tests(sandbox):
    job = Job("import time; time.sleep(int(input()))", (b"0", b"1000", b"0", b"0"))
    runs = sandbox.run(job, Limits(wall_s=1000.0, total_s=10.0))
    assert [run.status for run in runs] == [RunStatus.FINISHED, RunStatus.TIMEOUT, RunStatus.LOST, RunStatus.LOST]


def test_memory_of_all_processes(sandbox):
    source = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(b"x") * (60 * 2 ** 20)
        time.sleep(600)
time.sleep(600)
"""
    began = time.monotonic()
    runs = sandbox.run(Job(source, (b"", b"")), replace(PATIENT, total_memory_bytes=2**28))
    assert [run.status for run in runs] == [RunStatus.MEMORY, RunStatus.LOST]
    assert time.monotonic() - began < 100


def test_forks_of_a_large_process_are_not_counted_twice(sandbox):
    source = """
import os, time
x = bytearray(b"x") * (100 * 2 ** 20)
for _ in range(6):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
time.sleep(1)
print("fine")
"""
    assert output(sandbox, source, limits=replace(ROOMY, total_memory_bytes=2**28)) == b"fine\n"


def test_many_threads(sandbox):
    with ThreadPoolExecutor(8) as threads:
        jobs = [Job("print(int(input()) * 2)", (str(n).encode(), b"1")) for n in range(24)]
        for n, runs in enumerate(threads.map(sandbox.run, jobs)):
            assert [run.stdout for run in runs] == [b"%d\n" % (2 * n), b"2\n"]


def test_thousands_of_open_files(sandbox):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("not allowed to open thousands of files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(3000)]
    try:
        assert output(sandbox, "import os; print(len(os.listdir('/tmp')))") == b"1\n"
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
