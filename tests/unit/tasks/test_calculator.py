"""Chain arithmetic with a calculator: the tool, the truth of every call, the splits, the warm start's examples."""

import random
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spro.config.task import CalculatorTask
from spro.errors import ConfigError
from spro.lab.lessons import LESSONS, flawed_calls
from spro.lab.warm_start import IGNORED, build_tokenizer, training_batch
from spro.tasks import Problem, TaskData, load_task
from spro.tasks.calculator import ALPHABET, FAILED, answer_call, is_held_out, random_expressions, solve
from spro.verify import Status
from spro.verify.calculator import verify_calculator


def load(seed: int, **settings: int) -> TaskData:
    return load_task(CalculatorTask(type="calculator", **settings), seed, lambda *_: "")


def expression_of(problem: Problem) -> str:
    return problem.messages[0]["content"].removesuffix("?")


def test_the_example_of_the_design() -> None:
    assert solve("37+85*4") == (["37+85=", "22*4="], 88)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("37+85*4?37+85=", "22;"),
        ("37+85*4?37+85=22;22*4=", "88;"),
        ("3-5=", "98;"),
        ("?0*0=", "0;"),
        (";99*99=", "1;"),
        ("anything at all ?;7-7=", "0;"),
    ],
)
def test_a_call_is_computed_modulo_100(text: str, answer: str) -> None:
    assert answer_call(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "37+=",
        "+4=",
        "37+85",
        "37+85= ",
        "37+85=\n",
        "37 + 85=",
        "137+85=",
        "x37+85=",
        "37+850=",
        "3+4+5=",
        "37/0=",
        "9**9=",
        "-3+4=",
        "==",
        "1_0+1=",
        "\u0663+\u0664=",
        "\u00b2+2=",
        "?(1)+2=",
        ";__import__('os')=",
        "9" * 10**6 + "=",
        "1+" * 10**6 + "1=",
        "<eos>3+4=",
    ],
)
def test_what_is_no_call_gets_the_one_error(text: str) -> None:
    assert answer_call(text) == FAILED


@given(st.text(alphabet=ALPHABET) | st.text())
def test_no_text_at_all_makes_the_calculator_raise_or_ramble(text: str) -> None:
    for answer in (answer_call(text), answer_call(text + "=")):
        assert answer == FAILED or (answer.endswith(";") and answer[:-1].isdecimal() and len(answer) <= 3)


def test_against_python_on_both_sides_of_the_split() -> None:
    data = load(3, train_problems=200, held_out_problems=100, min_operators=1)
    for problem in data.train + data.held_out:
        calls, result = solve(expression_of(problem))
        first, *rest = expression_of(problem).replace("+", " + ").replace("-", " - ").replace("*", " * ").split()
        value = int(first)
        for call, operator, number in zip(calls, rest[::2], rest[1::2], strict=True):
            assert call == f"{value}{operator}{number}="
            value = {"+": value + int(number), "-": value - int(number), "*": value * int(number)}[operator] % 100
            assert answer_call(f"{expression_of(problem)}?{call}") == f"{value};"
        assert problem.ground_truth == str(value) == str(result)


def test_splits_never_meet_whatever_the_seeds() -> None:
    few = {"min_operators": 1, "max_operators": 1, "held_out_problems": 300}
    trained = {p.problem_id for s in range(3) for p in load(s, **few, train_problems=9000).train}
    held_out = load(9, **few, train_problems=1).held_out
    assert len(held_out) == 300
    assert not trained & {p.problem_id for p in held_out}


def test_the_same_seed_gives_the_same_problems_and_the_tool_comes_along() -> None:
    few = {"train_problems": 50, "held_out_problems": 10}
    one, again, other = load(5, **few), load(5, **few), load(6, **few)
    assert (one.train, one.held_out) == (again.train, again.held_out)
    assert one.train != other.train
    assert one.tool is not None
    assert (one.tool.call_end, one.tool.max_calls, one.tool.answer) == ("=", 16, answer_call)


def test_more_problems_than_there_are_expressions_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"of the 30000 expressions .* at most 15000 can be drawn"):
        CalculatorTask(type="calculator", min_operators=1, max_operators=1)


def test_a_column_of_rows_that_the_task_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="wants the column 'level'"):
        load_task(CalculatorTask(type="calculator"), 0, lambda *_: "", columns=["level"])


def test_warm_start_examples_are_what_the_calculator_makes_of_flawed_calls() -> None:
    rng = random.Random(0)
    calls = flawless = right = repeated = unreadable = examples = 0
    for expression in islice(random_expressions(rng, 3, 6), 2000):
        pieces = flawed_calls(expression, rng)
        text = f"{expression}?"
        for piece, is_written in pieces:
            assert is_written or piece == answer_call(text)
            text += piece
        response = text.partition("?")[2]
        written = [piece for piece, is_written in pieces if is_written]
        expected, result = solve(expression)
        examples += 1
        calls += len(expected)
        flawless += [*expected, f"#{result}"] == written
        right += verify_calculator(response, str(result)).status is Status.CORRECT
        repeated += sum(a == b for a, b in pairwise(written))
        unreadable += response.count(FAILED)
        assert verify_calculator(response, str(result)).status in (Status.CORRECT, Status.WRONG)
    assert 0.30 < right / examples < 0.55
    assert 0.05 < flawless / examples < right / examples
    assert 0.15 < repeated / calls < 0.21
    assert 0.03 < unreadable / calls < 0.07


def test_the_warm_start_trains_on_what_the_policy_writes_and_never_on_the_tool() -> None:
    tokenizer = build_tokenizer(ALPHABET)
    expressions = ["37+85*4", "1+2-3*4"]
    token_ids, labels = training_batch(LESSONS["calculator"], expressions, tokenizer, random.Random(0))
    rng = random.Random(0)
    for row, expression in enumerate(expressions):
        pieces = flawed_calls(expression, rng)
        whole = tokenizer.decode(token_ids[row]).replace("<pad>", "")
        assert whole == f"{expression}?" + "".join(text for text, _ in pieces) + "<eos>"
        trained = labels[row][labels[row] != IGNORED]
        assert tokenizer.decode(trained) == "".join(text for text, is_written in pieces if is_written) + "<eos>"
        assert (token_ids[row][labels[row] != IGNORED] == trained).all()
    assert any(not is_written for _, is_written in pieces)


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS)
def test_no_lesson_shows_a_held_out_expression(lesson: object) -> None:
    stream = lesson.training_expressions(random.Random(2))  # type: ignore[attr-defined]
    assert not any(map(is_held_out, islice(stream, 3000)))
