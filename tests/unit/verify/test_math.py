import json
import threading
import time
from pathlib import Path

import pytest

from spro.errors import ConfigError
from spro.verify import MathVerifier, Status
from spro.verify.pool import WorkerPool
from spro.verify.wire import Outcome

MATH500 = Path(__file__).parents[4] / "shared" / "data" / "math500.jsonl"

# ground truth, answer
EQUAL = [
    ("42", "42"),
    ("42", "42.0"),
    ("42", "042"),
    ("-3", "- 3"),
    (r"\frac{1}{2}", "0.5"),
    (r"\frac{1}{2}", "1/2"),
    (r"\frac12", r"\dfrac{1}{2}"),
    (r"\frac{14}{3}", r"\frac{28}{6}"),
    (r"\frac{14}{3}", "28/6"),
    (r"-\frac{1}{3}", r"\frac{-1}{3}"),
    ("0.333333", r"\frac{1}{3}"),
    ("1234", "1{,}234"),
    ("1234", "1,234"),
    (r"1,\!234", "1234"),
    ("1024", "2^{10}"),
    ("6", r"2 \cdot 3"),
    ("120", "5!"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    (r"\frac{\pi}{2}", r"0.5\pi"),
    ("x+1", "1+x"),
    ("(x-1)(x+1)", "x^2-1"),
    ("x^2+2x+1", "(x+1)^2"),
    ("5", "x = 5"),
    ("x = 5", "5"),
    (r"\{1, 2, 3\}", r"\{3, 2, 1\}"),
    ("1, 2", "2, 1"),
    ("[0, 1)", "[0,1)"),
    (r"(-\infty, 0) \cup (1, \infty)", r"(1, \infty) \cup (-\infty, 0)"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"),
    (r"\begin{pmatrix} 1 \\ 1/2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 0.5 \end{pmatrix}"),
    (r"90^\circ", "90"),
    ("90", r"90^\circ"),
    (r"5 \text{ cm}", "5"),
    ("5", r"5\text{ cm}"),
    (r"\$32", "32"),
    (r"\text{Evelyn}", "Evelyn"),
    (r"\text{(C)}", "(C)"),
    (r"\text{even}", r"\mathrm{even}"),
    ("3 + 4i", "4i+3"),
    (r"\log_2 8", "3"),
    ("$7$", "7"),
    (r"\boxed{7}", r"$7$"),
    ("50\\%", "0.5"),
]

UNEQUAL = [
    ("42", "43"),
    ("42", "-42"),
    ("42", "4 2"),
    ("10000", "10001"),
    ("50", "5000"),
    ("50", "0.05"),
    (r"\frac{1}{2}", r"\frac{1}{3}"),
    (r"\frac{1}{2}", "2"),
    ("0.33", r"\frac{1}{3}"),
    ("1234", "1,235"),
    (r"\sqrt{2}", "1.41"),
    (r"\sqrt{2}", r"\sqrt{3}"),
    (r"\pi", "3.14"),
    ("x+1", "x-1"),
    ("x^2-1", "x^2+1"),
    ("x", "y"),
    ("10", "10 or 12"),
    ("1, 2", "1, 3"),
    (r"\{1, 2\}", r"\{1, 2, 3\}"),
    ("(1, 2)", "(2, 1)"),
    ("[0, 1)", "[0, 1]"),
    ("(0, 1)", "(0, 2)"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}"),
    (r"90^\circ", "45"),
    (r"\text{Evelyn}", "Carla"),
    (r"\text{(C)}", "(D)"),
    ("3+4i", "3-4i"),
    ("5", "five"),
    ("5", r"\text{I do not know}"),
    ("5", r"\frac{}{}"),
    ("5", "__import__('os').system('true')"),
]

# What the note on the class admits. Strict: whoever mends math-verify, or guards against it, must say so there.
KNOWN_FALSE_POSITIVES = [
    ("5050", r"\sum_{k=1}^{100} k"),
    ("1", "9=1"),
    ("9", r"9\%"),
    ("5", "5,5,5"),
]


def test_the_table_is_large_enough():
    assert len(EQUAL) + len(UNEQUAL) >= 40


@pytest.mark.parametrize(("ground_truth", "answer"), EQUAL)
def test_equal(math_verifier, ground_truth, answer):
    verdict = math_verifier(rf"We find that it is $\boxed{{{answer}}}$.", ground_truth)
    assert (verdict.score, verdict.status, verdict.extracted) == (1.0, Status.CORRECT, answer)


@pytest.mark.parametrize(("ground_truth", "answer"), UNEQUAL)
def test_unequal(math_verifier, ground_truth, answer):
    verdict = math_verifier(rf"We find that it is $\boxed{{{answer}}}$.", ground_truth)
    assert (verdict.score, verdict.status, verdict.extracted) == (0.0, Status.WRONG, answer)


@pytest.mark.xfail(strict=True, reason="math-verify 0.9 takes these for equal")
@pytest.mark.parametrize(("ground_truth", "answer"), KNOWN_FALSE_POSITIVES)
def test_known_false_positive(math_verifier, ground_truth, answer):
    assert math_verifier(rf"\boxed{{{answer}}}", ground_truth).status is Status.WRONG


@pytest.mark.parametrize("response", ["", "it is 5", r"\boxed{5", r"\boxed{}", r"\boxed{" + "5" * 100_000 + "}"])
def test_no_answer(math_verifier, response):
    verdict = math_verifier(response, "5")
    assert (verdict.score, verdict.status) == (0.0, Status.NO_ANSWER)


def test_unreadable_ground_truth(math_verifier):
    verdict = math_verifier(r"\boxed{5}", "t(0,4]")
    assert (verdict.score, verdict.status, verdict.extracted) == (None, Status.UNSCORED, "5")
    assert "ground truth 't(0,4]'" in verdict.detail
    assert math_verifier(r"\boxed{t(0,4]}", "$t(0,4]$").status is Status.CORRECT


def test_empty_ground_truth(math_verifier):
    assert math_verifier(r"\boxed{5}", " ").status is Status.UNSCORED


def test_off_the_main_thread(math_verifier):
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(math_verifier(r"\boxed{2/4}", r"\frac12")))
    thread.start()
    thread.join()
    assert verdicts[0].status is Status.CORRECT


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize(
    ("timeout_s", "answer"),
    [
        # Under 1.25 s there is no alarm in the worker: the pool's deadline alone.
        (1.2, "9^{9^{9^9}}"),
        (1.2, r"\binom{1000000000}{500000000}"),
        # The worker's own alarm rings first.
        (3.0, r"\sum_{k=1}^{10^9} \sin(k)"),
        (3.0, "10^9!"),
    ],
)
def test_hanging_answer_is_a_timeout_and_the_next_is_judged(timeout_s, answer):
    with MathVerifier(workers=1, timeout_s=timeout_s) as verify:
        verify(r"\boxed{2/4}", "0.5")
        began = time.monotonic()
        verdict = verify(rf"\boxed{{{answer}}}", "5")
        assert (verdict.score, verdict.status, verdict.extracted) == (0.0, Status.TIMEOUT, answer)
        assert time.monotonic() - began < timeout_s + 10.0
        assert verify(r"\boxed{2/4}", "0.5").status is Status.CORRECT


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize("program", [("-m", "spro.there_is_no_such_module"), ("/nonexistent/worker.py",)])
def test_unstartable_worker_is_unscored(program):
    with MathVerifier(workers=1, program=program) as verify:
        verdict = verify(r"\boxed{0.5}", "1/2")
        assert (verdict.score, verdict.status) == (None, Status.UNSCORED)
        assert "workers in a row failed" in verdict.detail
        assert "\n" not in verdict.detail
        # What needs no worker is judged all the same.
        assert verify(r"\boxed{1/2}", "1/2").status is Status.CORRECT


def test_memory(tmp_path):
    hog = tmp_path / "hog.py"
    hog.write_text("from spro.verify.serve import serve\nserve(lambda request: {'x': str(bytearray(8 << 30))})\n")
    with MathVerifier(workers=1, program=(str(hog),)) as verify:
        verdict = verify(r"\boxed{0.5}", "1/2")
    assert (verdict.score, verdict.status, verdict.extracted) == (0.0, Status.MEMORY, "0.5")


def test_impossible_settings():
    with pytest.raises(ConfigError):
        MathVerifier(workers=0)


@pytest.mark.skipif(not MATH500.exists(), reason=f"the shared data is not here: {MATH500}")
def test_real_golds_equal_themselves():
    golds = [json.loads(line)["answer"] for line in MATH500.read_text().splitlines()]
    assert len(golds) == 500
    # Past the string comparison, which would settle them all.
    with WorkerPool(1, 20.0) as pool:
        replies = [pool.ask({"gold": gold, "answer": gold, "seconds": 16.0}) for gold in golds]
    failed = [
        gold
        for gold, reply in zip(golds, replies, strict=True)
        if reply.outcome is not Outcome.ANSWERED or reply.body["status"] != "correct"
    ]
    assert failed == []
