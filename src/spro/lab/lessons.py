"""What the lab's models are taught before reinforcement learning: worked solutions in the right form, with flaws.

So a policy that has learned one has something to unlearn, in accuracy and in length.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spro.tasks import calculator, chain

MIN_OPERATORS, MAX_OPERATORS = 3, 6

WRONG_STEP_SHARE = 0.16
REPEATED_LINE_SHARE = 1 / 3

WRONG_CALL_SHARE = 0.12
LEFT_OUT_CALL_SHARE = 0.06
UNREADABLE_CALL_SHARE = 0.05
REPEATED_CALL_SHARE = 0.2

Piece = tuple[str, bool]
"""A part of a response, and whether the policy writes it."""


@dataclass(frozen=True)
class Lesson:
    """What one model is taught.

    Attributes:
        alphabet: characters of the task.
        expressions: an endless stream of expressions of both splits, with so many operators.
        response: a flawed response to ``<expression>?``.
    """

    alphabet: str
    expressions: Callable[[random.Random, int, int], Iterator[str]]
    response: Callable[[str, random.Random], list[Piece]]

    def training_expressions(self, rng: random.Random) -> Iterator[str]:
        """Those that are not held out."""
        stream = self.expressions(rng, MIN_OPERATORS, MAX_OPERATORS)
        return (expression for expression in stream if not chain.is_held_out(expression))


def flawed_solution(expression: str, rng: random.Random) -> list[Piece]:
    """Chain arithmetic with wrong digits and repeated lines; it ends in ``#digit``."""
    lines = []
    while len(expression) > 1:
        expression = chain.reduce_once(expression)
        if rng.random() < WRONG_STEP_SHARE:
            wrong = (chain.split_expression(expression)[0][0] + rng.randint(1, 9)) % 10
            expression = f"{wrong}{expression[1:]}"
        lines += [expression] * (2 if rng.random() < REPEATED_LINE_SHARE else 1)
    return [(";".join([*lines, f"#{expression}"]), True)]


def flawed_calls(expression: str, rng: random.Random) -> list[Piece]:
    """Calls of the calculator, some of them wrong, left out, unreadable or repeated; it ends in ``#number``.

    The calculator answers what it is asked, so a wrong call leads on to a wrong result.
    """
    (result, *rest), operators = calculator.split_expression(expression)
    pieces: list[Piece] = []
    for operator, number in zip(operators, rest, strict=True):
        if rng.random() < LEFT_OUT_CALL_SHARE:
            continue
        if rng.random() < UNREADABLE_CALL_SHARE:
            pieces += [(f"{result}{operator}{calculator.CALL_END}", True), (calculator.FAILED, False)]
        if rng.random() < WRONG_CALL_SHARE:
            number = rng.randrange(calculator.MODULUS)
        call = f"{result}{operator}{number}{calculator.CALL_END}"
        answer = calculator.answer_call(call)
        pieces += [(call, True), (answer, False)] * (2 if rng.random() < REPEATED_CALL_SHARE else 1)
        result = calculator.calculate(result, operator, number)
    return [*pieces, (f"#{result}", True)]


LESSONS = {
    "chain": Lesson(chain.ALPHABET, chain.random_expressions, flawed_solution),
    "calculator": Lesson(calculator.ALPHABET, calculator.random_expressions, flawed_calls),
}
"""By the name of the task and of its model, ``builtin:<name>``."""
