"""What grading costs, and that nothing is lost under faults.

    python benchmarks/verify.py           # throughput, as ratios
    python benchmarks/verify.py --load    # 10,000 math and 1,000 code verdicts with 5 % hangs and 5 % crashes

Ratios are of two times that alternate in one run, so that a busy machine slows both; a lone second means nothing.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from math_verify import LatexExtractionConfig, parse, verify

from spro.errors import SandboxError
from spro.verify import CodeVerifier, Limits, MathVerifier, Status, Verdict, choose_sandbox
from spro.verify.sandbox import Job, Sandbox, TestRun

ROUNDS = 5
Case = tuple[str, str, Status]
"""Ground truth, answer or program, and the status that it must get."""
FAULTY = (str(Path(__file__).with_name("faulty_math_worker.py")),)
BOXED = (LatexExtractionConfig(boxed_match_priority=0, try_extract_without_anchor=False),)


def math_pairs(count: int) -> list[tuple[str, str]]:
    """(gold, answer), all different, half of them equal, none settled by their spelling."""
    kinds = [
        lambda n: (rf"\frac{{{n}}}{{{n + 1}}}", rf"\frac{{{2 * n}}}{{{2 * n + 2}}}"),
        lambda n: (f"{n}", f"{n - 1}+1"),
        lambda n: (rf"{n}\sqrt{{2}}", rf"\sqrt{{{2 * n * n}}}"),
        lambda n: (f"x^2-{n * n}", f"(x-{n})(x+{n})"),
    ]
    pairs = [kinds[n % 4](n + 2) for n in range(count)]
    return [(gold, answer if n % 8 < 4 else f"{answer}+1") for n, (gold, answer) in enumerate(pairs)]


def in_process(pairs: Sequence[tuple[str, str]]) -> None:
    """math-verify as most trainers call it."""
    for gold, answer in pairs:
        verify(parse(f"\\boxed{{{gold}}}", BOXED), parse(f"\\boxed{{{answer}}}", BOXED))


def pooled(verifier: MathVerifier, threads: int, pairs: Sequence[tuple[str, str]]) -> None:
    """The verifier, from so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda pair: verifier(f"\\boxed{{{pair[1]}}}", pair[0]), pairs))


SUM = "import sys\nprint(sum(int(word) for word in sys.stdin.read().split()))\n"


def sums(tests: int) -> str:
    """A ground truth of so many tests."""
    rows = [(f"{n} {n + 1}\n", f"{2 * n + 1}\n") for n in range(tests)]
    return json.dumps({"inputs": [i for i, _ in rows], "outputs": [o for _, o in rows]})


def plain_subprocesses(tests: int, count: int) -> None:
    """One interpreter a test, confined by nothing."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(SUM)
        for _ in range(count):
            for n in range(tests):
                command = [sys.executable, "-I", "-S", str(program)]
                done = subprocess.run(command, input=f"{n} {n + 1}\n".encode(), capture_output=True, check=True)
                assert int(done.stdout) == 2 * n + 1


def sandboxed(verifier: CodeVerifier, tests: int, count: int) -> None:
    """The verifier, one response after the other."""
    for _ in range(count):
        assert verifier(f"```python\n{SUM}```", sums(tests)).status is Status.CORRECT


def compare(name: str, base: Callable[[], None], other: Callable[[], None], verdicts: int) -> None:
    """Print how long ``other`` takes beside ``base``; the median of alternating rounds."""
    times = [(_seconds(base), _seconds(other)) for _ in range(ROUNDS)]
    ratio = statistics.median(other / base for base, other in times)
    rates = [verdicts / statistics.median(column) for column in zip(*times, strict=True)]
    print(f"{name:62} {ratio:5.2f} x the time   ({rates[0]:7.0f} and {rates[1]:7.0f} verdicts a second here)")


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def throughput() -> None:
    """Verdicts a second, beside the obvious ways."""
    pairs = math_pairs(200)
    for workers in (1, 2):
        # Without a cache: every round asks the same.
        with MathVerifier(workers, cached=0) as verifier:
            pooled(verifier, workers, pairs[:workers])
            name = f"math: pool of {workers} beside math-verify in this process"
            compare(name, partial(in_process, pairs), partial(pooled, verifier, workers, pairs), len(pairs))
    sandbox = choose_sandbox()
    with CodeVerifier(lambda: sandbox) as code:
        for tests in (1, 10, 50):
            count = max(1, 40 // tests)
            name = f"code: {sandbox.level}, {tests} tests a response, beside a plain process a test"
            compare(name, partial(plain_subprocesses, tests, count), partial(sandboxed, code, tests, count), count)


def load(math: int, code: int) -> None:
    """Verdicts with faults mixed in; every one is checked against what it must be."""
    _load_code(code)
    with tempfile.TemporaryDirectory() as folder:
        _load_math(math, Path(folder))


def _load_math(count: int, folder: Path) -> None:
    pairs = math_pairs(count)
    cases = []
    for n, (gold, answer) in enumerate(pairs):
        honest = Status.CORRECT if n % 8 < 4 else Status.WRONG
        fault = n % 40
        if fault in (7, 27):
            cases.append((gold, f"9^{{9^{{9^{{9}}}}}}+{n}", Status.TIMEOUT))
        elif fault == 13:
            cases.append((gold, rf"\crash {n}", Status.UNSCORED))
        elif fault == 33:
            cases.append((gold, rf"\falter {folder / str(n)} {answer}", honest))
        else:
            cases.append((gold, answer, honest))
    random.Random(0).shuffle(cases)
    with MathVerifier(2, timeout_s=2.0, program=FAULTY) as verifier:
        check("math", cases, lambda case: verifier(f"\\boxed{{{case[1]}}}", case[0]))


class Faulty(threading.local):
    """A sandbox that does not come up once, or twice, for programs that say so in their first line."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = replace(sandbox, cage=self)
        self.cage = sandbox.cage
        self.failures = 0

    def run(self, job: Job, limits: Limits, stop: threading.Event) -> list[TestRun]:
        """As ``Sandbox.run``."""
        self.failures = {"# once": 1, "# always": 2}.get(" ".join(job.source.split()[:2]), 0)
        return self.sandbox.run(job, limits, stop)

    def start(self, *arguments):
        """As ``Cage.start``."""
        self.failures -= 1
        if self.failures >= 0:
            raise SandboxError("no process could be started")
        return self.cage.start(*arguments)

    def __getattr__(self, name: str) -> object:
        """All else as the cage has it."""
        return getattr(self.cage, name)


def _load_code(count: int) -> None:
    cases = []
    for n in range(count):
        fault, program, status = n % 40, SUM, Status.CORRECT if n % 2 else Status.WRONG
        if status is Status.WRONG:
            program = SUM.replace("sum(", "1 + sum(")
        if fault in (7, 27):
            program, status = f"while True: {n}\n", Status.TIMEOUT
        elif fault == 13:
            program, status = f"# always {n}\n{program}", Status.UNSCORED
        elif fault == 33:
            program = f"# once {n}\n{program}"
        elif fault in (3, 23):
            # A crash of the program's own making is wrong, not unscored.
            program, status = f"import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nprint({n})\n", Status.WRONG
        cases.append((sums(5), program, status))
    random.Random(0).shuffle(cases)
    faulty = Faulty(choose_sandbox())
    with CodeVerifier(lambda: faulty, Limits(cpu_s=1, wall_s=3.0, total_s=3.0)) as verifier:
        check("code", cases, lambda case: verifier(f"```python\n{case[1]}```", case[0]))


def check(name: str, cases: Sequence[Case], judge: Callable[[Case], Verdict]) -> None:
    """Judge all from eight threads; print what came out and stop at the first verdict that is not the expected one."""
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(judge, cases))
    seconds = time.perf_counter() - start
    wrong = [(case, verdict) for case, verdict in zip(cases, verdicts, strict=True) if verdict.status is not case[2]]
    counts = Counter(verdict.status.value for verdict in verdicts)
    print(
        f"{name}: {len(verdicts)} verdicts in {seconds:.0f} s ({len(verdicts) / seconds:.1f} a second): {dict(counts)}"
    )
    print(f"{name}: {len(wrong)} other than expected; expected {dict(Counter(case[2].value for case in cases))}")
    for case, verdict in wrong[:5]:
        print(f"    {case[1][:80]!r}: expected {case[2]}, got {verdict.status} {verdict.detail}")
    if wrong:
        sys.exit(1)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", action="store_true", help="the load test in place of the throughput")
    parser.add_argument("--math", type=int, default=10_000, help="math verdicts of the load test")
    parser.add_argument("--code", type=int, default=1_000, help="code verdicts of the load test")
    arguments = parser.parse_args()
    if arguments.load:
        load(arguments.math, arguments.code)
    else:
        throughput()


if __name__ == "__main__":
    main()
