import threading
import time

import pytest

from spro.errors import ConfigError
from spro.verify import MathVerifier, Status
from spro.verify.math.boxed import Boxes

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

# What math-verify 0.9 takes for equal; guarded against.
TRICKS = [
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


@pytest.mark.parametrize(("ground_truth", "answer"), TRICKS)
def test_trick(math_verifier, ground_truth, answer):
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
        # Either the worker's alarm ends it or, in code that no signal interrupts, the pool's deadline.
        (1.2, "9^{9^{9^9}}"),
        (1.2, "10^6! + 1"),
        # The worker's own alarm rings first.
        (3.0, "(9^{9^9})! + 1"),
        (3.0, "10^9!"),
    ],
)
def test_hanging_answer_is_a_timeout_and_the_next_is_judged(timeout_s, answer):
    with MathVerifier(workers=1, timeout_s=timeout_s) as verify:
        # By the clock, which runs on while the machine stands still; seconds of the CPU end what hangs.
        verify._pool._timeout_s = 60.0
        verify(r"\boxed{2/4}", "0.5")
        began = time.monotonic()
        verdict = verify(rf"\boxed{{{answer}}}", "5")
        assert (verdict.score, verdict.status, verdict.extracted) == (0.0, Status.TIMEOUT, answer)
        assert time.monotonic() - began < 50.0
        assert verify(r"\boxed{3/4}", "0.75").status is Status.CORRECT


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize("program", [("-m", "spro.there_is_no_such_module"), ("/nonexistent/worker.py",)])
def test_unstartable_worker_is_unscored(program):
    with MathVerifier(workers=1, program=program) as verify:
        verdict = verify(r"\boxed{0.5}", "1/2")
        assert (verdict.score, verdict.status) == (None, Status.UNSCORED)
        assert "it failed 2 times" in verdict.detail
        assert "\n" not in verdict.detail
        # What needs no worker is judged all the same.
        assert verify(r"\boxed{1/2}", "1/2").status is Status.CORRECT


def test_memory(tmp_path):
    hog = tmp_path / "hog.py"
    hog.write_text(
        "from spro.verify.workers.serve import serve\nserve(lambda request: {'x': str(bytearray(8 << 30))})\n"
    )
    with MathVerifier(workers=1, program=(str(hog),)) as verify:
        verdict = verify(r"\boxed{0.5}", "1/2")
    assert (verdict.score, verdict.status, verdict.extracted) == (0.0, Status.MEMORY, "0.5")


def test_impossible_settings():
    with pytest.raises(ConfigError):
        MathVerifier(workers=0)


def test_refusal_says_why(math_verifier):
    assert math_verifier(r"\boxed{\sum_{k=1}^{100} k}", "5050").detail == "it leaves sum to be worked out"
    assert math_verifier(r"\boxed{5,5,5}", "5").detail == "3 answers are given where 1 are right"
    assert math_verifier(r"\boxed{5 \text{ m}}", r"5 \text{ cm}").detail == "it is in m and not in cm"


@pytest.mark.parametrize(
    ("ground_truth", "problem"),
    [
        (" ", "is empty"),
        ("$$", "is empty"),
        ('{"answers": [}', "malformed JSON"),
        ('{"answer": ["5"]}', "unknown field 'answer'"),
        ("5" * 5000, "longer than 4096"),
    ],
)
def test_problem_with_a_ground_truth(ground_truth, problem):
    with MathVerifier(workers=1) as verify:
        assert problem in verify.problem_with(ground_truth)
        verdict = verify(r"\boxed{5}", ground_truth)
        assert verify.problem_with("5") == ""
        assert verify.pids == [], "no worker is needed for that"
    assert (verdict.score, verdict.status) == (None, Status.UNSCORED)
    assert problem in verdict.detail


OLYMPIC = '{"answers": ["4.2"], "unit": "%", "tolerance": "1e-1"}'


@pytest.mark.parametrize(
    ("ground_truth", "answer", "status"),
    [
        (OLYMPIC, "4.2", Status.CORRECT),
        (OLYMPIC, r"4.2\%", Status.CORRECT),
        (OLYMPIC, "4.3", Status.CORRECT),
        (OLYMPIC, r"4.1 \%", Status.CORRECT),
        (OLYMPIC, r"\frac{17}{4}", Status.CORRECT),
        (OLYMPIC, "4.31", Status.WRONG),
        (OLYMPIC, "0.042", Status.WRONG),
        ('{"answers": ["69", "84"]}', "84, 69", Status.CORRECT),
        ('{"answers": ["69", "84"]}', r"84 \text{ and } \frac{138}{2}", Status.CORRECT),
        ('{"answers": ["69", "84"]}', "69", Status.WRONG),
        ('{"answers": ["$69$,$84$"], "unit": null, "tolerance": null}', "84, 69", Status.CORRECT),
        ('{"answers": ["$166$"], "unit": "$cm^2$"}', r"166 \text{ cm}^2", Status.CORRECT),
        ('{"answers": ["$166$"], "unit": "$cm^2$"}', "166.0", Status.CORRECT),
        ('{"answers": ["$166$"], "unit": "$cm^2$"}', r"166 \text{ m}^2", Status.WRONG),
        ('{"answers": ["90"], "unit": "^{\\\\circ}"}', r"90^\circ", Status.CORRECT),
        ('{"answers": ["45"], "unit": "minute"}', r"45 \text{ minutes}", Status.CORRECT),
        ('{"answers": ["45"], "unit": "minute"}', r"45 \text{ hours}", Status.WRONG),
        ("so it is\n#### 18", "18", Status.CORRECT),
        ("so it is 17\n#### 1,800", "1800", Status.CORRECT),
    ],
)
def test_forms_of_ground_truth(math_verifier, ground_truth, answer, status):
    assert math_verifier(rf"\boxed{{{answer}}}", ground_truth).status is status


@pytest.mark.parametrize(
    ("response", "last", "all_equal"),
    [
        (r"\boxed{5}", Status.CORRECT, Status.CORRECT),
        (r"\boxed{1} or \boxed{5}", Status.CORRECT, Status.WRONG),
        (r"\boxed{5} or \boxed{1}", Status.WRONG, Status.WRONG),
        (r"\boxed{\frac{10}{2}}, that is \boxed{5}", Status.CORRECT, Status.CORRECT),
        (r"\boxed{1 \text{ or } \boxed{5}}", Status.CORRECT, Status.WRONG),
        (r"\boxed{\boxed{5}}", Status.CORRECT, Status.CORRECT),
        (r"\boxed{} \boxed{5}", Status.CORRECT, Status.WRONG),
        (r"\boxed{5}" * 100, Status.CORRECT, Status.WRONG),
        (r"5", Status.NO_ANSWER, Status.NO_ANSWER),
    ],
)
def test_boxes(math_verifier, response, last, all_equal):
    assert math_verifier.judge(response, "5", Boxes.LAST).status is last
    assert math_verifier.judge(response, "5", Boxes.ALL_EQUAL).status is all_equal


def test_boxes_are_a_setting():
    with MathVerifier(workers=1, boxes=Boxes.ALL_EQUAL) as verify:
        verdict = verify(r"\boxed{1} or \boxed{5}", "5")
    assert (verdict.score, verdict.extracted) == (0.0, "5")
    assert "'1' is not right" in verdict.detail


def test_decided_pairs_are_remembered():
    with MathVerifier(workers=1) as verify:
        for _ in range(3):
            assert verify(r"\boxed{2/4}", "0.5").status is Status.CORRECT
            assert verify(r"\boxed{2/4}", "0.25").status is Status.WRONG
        assert (verify.cache_counts.hits, verify.cache_counts.misses, verify.cache_counts.size) == (4, 2, 2)


def test_failures_are_not_remembered():
    with MathVerifier(workers=1, timeout_s=1.0) as verify:
        for _ in range(2):
            assert verify(r"\boxed{9^{9^{9^9}}}", "5").status is Status.TIMEOUT
        assert (verify.cache_counts.hits, verify.cache_counts.size) == (0, 0)
