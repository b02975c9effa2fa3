"""Chain arithmetic: its arithmetic, its splits, its warm start's examples."""

import random
from itertools import islice

import pytest

from spro.lab.lessons import LESSONS, flawed_solution
from spro.lab.warm_start import build_tokenizer, training_batch
from spro.tasks.chain import ALPHABET, evaluate_step, is_held_out, load_chain, random_expressions, reduce_once, solve
from spro.verify import Status, verify_chain


def test_the_example_of_the_design() -> None:
    assert solve("3+5*2") == ["8*2", "6"]


@pytest.mark.parametrize(("left", "operator", "right", "result"), [(7, "+", 5, 2), (3, "-", 5, 8), (7, "*", 8, 6)])
def test_one_operation(left: int, operator: str, right: int, result: int) -> None:
    assert evaluate_step(left, operator, right) == result


def test_against_python_on_both_sides_of_the_split() -> None:
    data = load_chain(seed=3, train_problems=200, held_out_problems=100, min_operators=1, max_operators=6)
    for problem in data.train + data.held_out:
        expression = problem.messages[0]["content"].removesuffix("?")
        value = int(expression[0])
        for operator, digit in zip(expression[1::2], expression[2::2], strict=True):
            value = {"+": value + int(digit), "-": value - int(digit), "*": value * int(digit)}[operator] % 10
        assert problem.ground_truth == str(value)


def test_splits_never_meet_whatever_the_seeds() -> None:
    trained = {p.problem_id for s in range(3) for p in load_chain(s, 500, 0, 1, 3).train}
    held_out = {p.problem_id for s in range(3) for p in load_chain(s, 1, 100, 1, 3).held_out}
    assert held_out
    assert not trained & held_out


def test_the_same_seed_gives_the_same_problems() -> None:
    assert load_chain(5, 50, 10, 3, 6) == load_chain(5, 50, 10, 3, 6)
    assert load_chain(5, 50, 10, 3, 6) != load_chain(6, 50, 10, 3, 6)


def test_warm_start_examples_have_the_right_form_and_the_stated_flaws() -> None:
    rng = random.Random(0)
    steps = wrong = repeated = lines = 0
    for expression in islice(random_expressions(rng, 3, 6), 2000):
        ((solution, _),) = flawed_solution(expression, rng)
        written = solution.split(";")
        assert verify_chain(";".join(written), written[-1][1]).status is Status.CORRECT
        current = expression
        for line in written[:-1]:
            if line == current:
                repeated += 1
                continue
            lines += 1
            steps += 1
            wrong += line != reduce_once(current)
            current = line
    assert 0.14 < wrong / steps < 0.18
    assert 0.30 < repeated / lines < 0.37


def test_warm_start_never_sees_a_held_out_prompt_and_trains_on_the_answer_only() -> None:
    tokenizer = build_tokenizer(ALPHABET)
    token_ids, labels = training_batch(LESSONS["chain"], ["3+5*2", "1+1"], tokenizer, random.Random(0))
    assert token_ids.shape == labels.shape
    for row, prompt in enumerate(["3+5*2?", "1+1?"]):
        answer = labels[row][labels[row] != -100]
        assert (labels[row, : len(prompt)] == -100).all()
        assert answer[-1] == tokenizer.eos_token_id
        assert "#" in tokenizer.decode(answer)


def test_about_one_problem_in_sixteen_is_held_out() -> None:
    drawn = list(islice(random_expressions(random.Random(1), 3, 6), 8000))
    assert 0.05 < sum(map(is_held_out, drawn)) / len(drawn) < 0.075
