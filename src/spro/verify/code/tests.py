"""The ground truth of a code problem: inputs, and what is expected of each.

The text form is that of PRIME-RL/Eurus-2-RL-Data, after APPS: ``{"inputs": [...], "outputs": [...], "fn_name"?: ...}``.
A malformed one is a fact about the data set: it is found when rows are loaded, never blamed on a response.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spro.errors import DataError
from spro.verify.code.compare import same_output, same_value
from spro.verify.sandbox import RunStatus, TestRun, Value

MAX_TEXT_LENGTH = 2**25
"""Characters of a ground truth; the tests of code_contests reach some millions."""

MAX_TESTS = 10_000
MAX_DEPTH = 64
"""Of lists and objects within one another."""


@dataclass(frozen=True, slots=True)
class CodeTests:
    """The tests of one problem, in the order of its row.

    Example:
        >>> CodeTests.read('{"inputs": ["1 2"], "outputs": ["3"]}')
        CodeTests(inputs=(b'1 2',), outputs=('3',), function=None, may_be_wrapped=False)

    Attributes:
        inputs: as in ``Job``; bytes of standard input or, with ``function``, tuples of positional arguments.
        outputs: one for each input; text or, with ``function``, what is to be returned.
        function: to call; ``None`` when programs read standard input.
        may_be_wrapped: an expected list of one element may stand for that element. The JSON of a row does not tell
            whether ``[[3]]`` expects 3 or ``[3]``, and both forms are in circulation: as in PRIME, both are right.

    Raises:
        DataError: no test, more than ``MAX_TESTS``, or not as many outputs as inputs.
    """

    inputs: tuple[bytes, ...] | tuple[tuple[Value, ...], ...]
    outputs: tuple[Value, ...]
    function: str | None = None
    may_be_wrapped: bool = False

    def __post_init__(self) -> None:
        if not self.inputs:
            raise DataError("the tests are empty")
        if len(self.inputs) > MAX_TESTS:
            raise DataError(f"there are more than {MAX_TESTS} tests")
        if len(self.inputs) != len(self.outputs):
            raise DataError("there are not as many outputs as inputs")

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def read(cls, ground_truth: str) -> "CodeTests":
        """The tests that a ground truth in text form gives.

        - Without ``fn_name`` (absent, null or empty), inputs and outputs are text or lists of lines.
        - With it, an input is the list of arguments and an output what is expected; or, APPS' older form, both are
          text: a line of JSON for each argument, and JSON for the output.
        - An argument that is an object whose keys are all integers has integers for keys: JSON has only text there.
          (APPS does so too, and then forgets the other arguments.)

        Raises:
            DataError: it is malformed; the message is the same for all ground truths of the same fault.
        """
        data = _load(ground_truth)
        if not isinstance(data, dict):
            raise DataError("the tests are no JSON object")
        inputs, outputs, function = (data.get(name) for name in ("inputs", "outputs", "fn_name"))
        if not isinstance(inputs, list) or not isinstance(outputs, list):
            raise DataError("the tests have no lists of inputs and outputs")
        _check_values(data)
        if function is None or function == "":
            return _script_tests(inputs, outputs)
        if not isinstance(function, str) or not function.isidentifier():
            raise DataError("the tests' fn_name is no name of a function")
        return _call_tests(inputs, outputs, function)

    def first(self, count: int | None) -> "CodeTests":
        """The first ``count`` tests in the row's order; all for ``None``."""
        return self if count is None else replace(self, inputs=self.inputs[:count], outputs=self.outputs[:count])

    def is_passed(self, number: int, run: TestRun) -> bool:
        """Whether a run of test ``number``, counted from 0, ended well and gave what is expected."""
        if run.status is not RunStatus.FINISHED:
            return False
        gold = self.outputs[number]
        if self.function is None:
            return isinstance(gold, str) and same_output(run.stdout, gold)
        if same_value(run.value, gold):
            return True
        is_wrapper = self.may_be_wrapped and isinstance(gold, list) and len(gold) == 1
        return is_wrapper and same_value(run.value, gold[0])  # type: ignore[index]


def problem_with(ground_truth: str) -> str:
    """Why ``CodeTests.read`` refuses a ground truth, in a few words; empty when it does not."""
    try:
        CodeTests.read(ground_truth)
    except DataError as error:
        return str(error)
    return ""


def _script_tests(inputs: Sequence[Any], outputs: Sequence[Any]) -> CodeTests:
    texts = [_text(item) for item in inputs]
    golds = tuple(_text(item) for item in outputs)
    if golds and not any(gold.strip() for gold in golds):
        # Else a program that does nothing would be right.
        raise DataError("the tests expect no output at all")
    return CodeTests(tuple(text.encode() for text in texts), golds)


def _text(item: Any) -> str:
    if isinstance(item, list) and all(isinstance(line, str) for line in item):
        # Some rows keep the line ends.
        return "\n".join(line.removesuffix("\n") for line in item)
    if not isinstance(item, str):
        raise DataError("the tests have an input or output that is neither text nor a list of lines")
    return item


def _call_tests(inputs: Sequence[Any], outputs: Sequence[Any], function: str) -> CodeTests:
    if inputs and all(isinstance(item, str) for item in inputs):
        inputs = [[_load(line) for line in item.split("\n") if line.strip()] for item in inputs]
        outputs = [_load(item) if isinstance(item, str) else item for item in outputs]
        # Again: JSON within JSON.
        _check_values([inputs, outputs])
    if not all(isinstance(item, list) for item in inputs):
        raise DataError("the tests have an input that is no list of arguments")
    arguments = tuple(tuple(_with_integer_keys(argument) for argument in item) for item in inputs)
    return CodeTests(arguments, tuple(outputs), function, may_be_wrapped=True)


def _with_integer_keys(argument: Any) -> Any:
    if not isinstance(argument, dict) or not argument or not all(map(_is_integer, argument)):
        return argument
    return {int(key): value for key, value in argument.items()}


def _is_integer(key: str) -> bool:
    digits = key.removeprefix("-")
    is_plain = digits.isascii() and digits.isdigit() and len(digits) <= 1000
    return is_plain and str(int(key)) == key


def _load(text: str) -> Any:
    if len(text) > MAX_TEXT_LENGTH:
        raise DataError(f"the tests are longer than {MAX_TEXT_LENGTH} characters")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise DataError("the tests are nested too deeply") from error
    except DataError:
        raise
    except ValueError as error:  # no JSON, or an integer of over 4300 digits
        is_syntax = isinstance(error, json.JSONDecodeError)
        raise DataError(f"the tests are no JSON{'' if is_syntax else ' that Python reads'}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DataError("the tests have an object with a repeated key")
    return found


def _refuse_constant(name: str) -> Any:
    raise DataError("the tests contain NaN or Infinity, which is no JSON")


def _check_values(data: Any) -> None:
    """Refuse what cannot travel on: text that is no Unicode (half of a surrogate pair), and deep nesting."""
    layer: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        layer = [child for value in layer for child in _children(value)]
        if not layer:
            return
    raise DataError("the tests are nested too deeply")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        return value
    elif isinstance(value, dict):
        for key in value:
            _check_text(key)
        return value.values()
    return ()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError("the tests contain half of a surrogate pair, which is no text") from error
