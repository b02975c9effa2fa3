"""Chain arithmetic with a calculator, the lab task of tool use: two numbers at a time are handed to a tool.

    37+85*4?  ->  37+85=22;22*4=88;#88

Strictly left to right, every result modulo 100. The policy writes ``37+85=``, the calculator ``22;``, the policy
``22*4=``, and so on: what it has to learn is to call, to copy and to stop, since a model of the lab's size cannot
multiply such numbers by itself. The truth of every call can be computed. The splits are those of ``chain.py``: by a
hash of the expression.
"""

import random
import re
from collections.abc import Iterator

from spro.tasks.chain import OPERATORS, is_held_out
from spro.tasks.problem import LoadReport, Message, Problem, TaskData, Tool

MODULUS = 100
CALL_END = "="
FAILED = "!;"
"""What the calculator writes behind a call that it cannot read."""
ALPHABET = "0123456789" + OPERATORS + "?;#=!"

_LONGEST_CALL = len("99*99=")
_CALL = re.compile(r"(?:\A|[?;])([0-9]{1,2})([-+*])([0-9]{1,2})=\Z")


def calculate(left: int, operator: str, right: int) -> int:
    """One binary operation modulo 100; ``-`` wraps around: 3-5 is 98."""
    return {"+": left + right, "-": left - right, "*": left * right}[operator] % MODULUS


def answer_call(text: str) -> str:
    """What the calculator writes behind a text: the result of the call in which it ends, else ``!;``.

    Only the last seven characters are read, whatever the text: nothing in it can be costly, or be run.

    Example:
        >>> answer_call("37+85*4?37+85=")
        '22;'
        >>> answer_call("37+=")
        '!;'
    """
    call = _CALL.search(text[-_LONGEST_CALL - 1 :])
    return f"{calculate(int(call[1]), call[2], int(call[3]))};" if call else FAILED


def split_expression(expression: str) -> tuple[list[int], str]:
    """``"37+85*4"`` -> ``([37, 85, 4], "+*")``."""
    parts = re.split(r"([-+*])", expression)
    return [int(number) for number in parts[::2]], "".join(parts[1::2])


def join_expression(numbers: list[int], operators: str) -> str:
    """The inverse of ``split_expression``."""
    return "".join(f"{number}{operator}" for number, operator in zip(numbers, [*operators, ""], strict=True))


def solve(expression: str) -> tuple[list[str], int]:
    """The calls of the worked solution, in their order, and its result: ``(["37+85=", "22*4="], 88)``."""
    (result, *rest), operators = split_expression(expression)
    calls = []
    for operator, number in zip(operators, rest, strict=True):
        calls.append(f"{result}{operator}{number}{CALL_END}")
        result = calculate(result, operator, number)
    return calls, result


def random_expressions(rng: random.Random, min_operators: int, max_operators: int) -> Iterator[str]:
    """An endless stream of expressions of both splits."""
    while True:
        count = rng.randint(min_operators, max_operators)
        numbers = [rng.randrange(MODULUS) for _ in range(count + 1)]
        yield join_expression(numbers, "".join(rng.choices(OPERATORS, k=count)))


def _draw(stream: Iterator[str], count: int, held_out: bool) -> tuple[Problem, ...]:
    chosen: dict[str, Problem] = {}
    while len(chosen) < count:
        expression = next(stream)
        if is_held_out(expression) == held_out:
            message, (_, result) = Message(role="user", content=f"{expression}?"), solve(expression)
            chosen[expression] = Problem(
                f"calculator-{expression}", (message,), str(result), "calculator", "calculator"
            )
    return tuple(chosen.values())


def load_calculator(
    seed: int, train_problems: int, held_out_problems: int, min_operators: int, max_operators: int, max_tool_calls: int
) -> TaskData:
    """Generate the task from a seed; distinct problems, the two splits disjoint by construction."""
    stream = random_expressions(random.Random(seed), min_operators, max_operators)
    held_out = _draw(stream, held_out_problems, True)
    train = _draw(stream, train_problems, False)
    tool = Tool(CALL_END, answer_call, max_tool_calls)
    return TaskData(train, held_out, LoadReport(kept=len(train) + len(held_out)), tool)
