"""Chain arithmetic, the lab task: rewrite an expression step by step until a digit stands.

    3+5*2?  ->  8*2;6;#6

Strictly left to right, every result modulo 10, so that each step needs one table look-up and the truth of every step
can be computed. A problem belongs to the held-out split by a hash of its text: no seed, no warm start and no number of
training problems can ever move it into the training split.
"""

import random
import zlib
from collections.abc import Iterator

from spro.tasks.problem import LoadReport, Message, Problem, TaskData

OPERATORS = "+-*"
ALPHABET = "0123456789" + OPERATORS + "?;#"
HELD_OUT_SHARE = 1 / 16


def evaluate_step(left: int, operator: str, right: int) -> int:
    """One binary operation modulo 10; ``-`` wraps around: 3-5 is 8."""
    return {"+": left + right, "-": left - right, "*": left * right}[operator] % 10


def split_expression(expression: str) -> tuple[list[int], str]:
    """``"3+5*2"`` -> ``([3, 5, 2], "+*")``."""
    return [int(digit) for digit in expression[::2]], expression[1::2]


def join_expression(digits: list[int], operators: str) -> str:
    """The inverse of ``split_expression``."""
    return "".join(f"{digit}{operator}" for digit, operator in zip(digits, [*operators, ""], strict=True))


def reduce_once(expression: str) -> str:
    """Replace the leftmost operation by its result: ``"3+5*2"`` -> ``"8*2"``."""
    digits, operators = split_expression(expression)
    result = evaluate_step(digits[0], operators[0], digits[1])
    return join_expression([result, *digits[2:]], operators[1:])


def solve(expression: str) -> list[str]:
    """Every line of the worked solution after the expression itself: ``["8*2", "6"]``."""
    lines = []
    while len(expression) > 1:
        expression = reduce_once(expression)
        lines.append(expression)
    return lines


def is_held_out(expression: str) -> bool:
    """Whether the expression belongs to the split that is never trained on."""
    return zlib.crc32(expression.encode()) < HELD_OUT_SHARE * 2**32


def random_expressions(rng: random.Random, min_operators: int, max_operators: int) -> Iterator[str]:
    """An endless stream of expressions of both splits."""
    while True:
        count = rng.randint(min_operators, max_operators)
        digits = [rng.randrange(10) for _ in range(count + 1)]
        yield join_expression(digits, "".join(rng.choices(OPERATORS, k=count)))


def _draw(
    rng: random.Random, count: int, held_out: bool, min_operators: int, max_operators: int
) -> tuple[Problem, ...]:
    chosen: dict[str, Problem] = {}
    for expression in random_expressions(rng, min_operators, max_operators):
        if len(chosen) == count:
            break
        if is_held_out(expression) == held_out:
            message = Message(role="user", content=f"{expression}?")
            chosen[expression] = Problem(f"chain-{expression}", (message,), solve(expression)[-1], "chain", "chain")
    return tuple(chosen.values())


def load_chain(
    seed: int, train_problems: int, held_out_problems: int, min_operators: int, max_operators: int
) -> TaskData:
    """Generate the task from a seed; distinct problems, the two splits disjoint by construction."""
    rng = random.Random(seed)
    held_out = _draw(rng, held_out_problems, True, min_operators, max_operators)
    train = _draw(rng, train_problems, False, min_operators, max_operators)
    return TaskData(train=train, held_out=held_out, report=LoadReport(kept=len(train) + len(held_out)))
