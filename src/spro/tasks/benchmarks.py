"""Rows of public benchmarks into problems: an adapter for each schema.

The questions get the suffixes that training gives them, so that a model is asked as it was taught.
"""

import json
from collections.abc import Collection
from dataclasses import replace

from spro.config.task import MathTask
from spro.errors import DataError
from spro.tasks.problem import Message, Problem
from spro.tasks.records import Row
from spro.tasks.rows import Adapter, Skipped, eurus_adapter, get_field, get_ground_truth, get_text, to_text

MATH_SUFFIX: str = MathTask.model_fields["prompt_suffix"].default
CODE_SUFFIX = "\n\nWrite Python code to solve the problem. Present the code in \n```python\nYour code\n```\nat the end."
"""PRIME's, as in the rows of Eurus-2-RL-Data."""

IMAGES = tuple(f"image_{number}" for number in range(1, 10))
OLYMPIAD_FIELDS = (
    *("id", "question", "context", "final_answer", "unit", "error", "answer_type"),
    *("subject", "language", "modality", *IMAGES),
)
TEST_GROUPS = ("public_tests", "private_tests", "generated_tests")


def competition_adapter(data_source: str) -> Adapter:
    """A question and its final answer: AI-MO's validation sets, MATH-500, and PRIME's copies of them.

    PRIME calls ``problem`` and ``answer`` also ``question`` and ``expected_answer``. The ids of AI-MO's AMC begin anew
    in every year, so the page that a row names goes before. PRIME's MATH-500 has ids that are spelled like the
    ``unique_id`` of the original and number other problems, so the id says that it is one.
    """
    schema = "its rows have problem or question, answer or expected_answer, and url, unique_id or id"

    def adapt(row: Row) -> Problem:
        question = get_text(row, schema, _present(row, "problem", "question"))
        if question is None:
            raise Skipped("no question")
        answer = get_ground_truth(row, schema, _present(row, "answer", "expected_answer"))
        if "####" in answer:
            raise DataError(f"{row.where}: answer is worked out and ends in ####, as GSM8K's are; its suite is gsm8k")
        number = _own_id(row, "id")
        own_id = _page(row) or _own_id(row, "unique_id") or (f"id {number}" if number else row.name)
        return _problem(own_id, question + MATH_SUFFIX, answer, "math", data_source)

    return adapt


def olympiad_adapter(row: Row) -> Problem:
    """A row of Hothan/OlympiadBench (arXiv 2402.14008): open questions of mathematics, in English, without images.

    Some fields are the hub's alone: subject, language, modality, image_1 to image_9. Where they are absent a row is
    taken for what the files without them hold: mathematics, English, text.
    """
    schema = "OlympiadBench rows have id, question and final_answer (a list of texts)"
    _check_readable(row)
    question = get_text(row, schema, "question")
    if question is None:
        raise Skipped("no question")
    context = _optional_text(row, schema, "context")
    asked = f"{context}\n\n{question}" if context else question
    own_id = _own_id(row, "id") or row.name
    return _problem(own_id, asked + MATH_SUFFIX, _olympiad_truth(row, schema), "math", "olympiadbench")


def gsm8k_adapter(row: Row) -> Problem:
    """A row of openai/gsm8k: a question, and a worked answer that ends in ``#### 18``."""
    schema = "GSM8K rows have question, and answer that ends in #### and a number"
    question = get_text(row, schema, "question")
    if question is None:
        raise Skipped("no question")
    _, mark, final = get_ground_truth(row, schema, "answer").rpartition("####")
    if not mark or not final.strip():
        raise DataError(f"{row.where}: answer has nothing behind ####; {schema}")
    return _problem(_own_id(row, "idx") or row.name, question + MATH_SUFFIX, final.strip(), "math", "gsm8k")


def code_contests_adapter(row: Row) -> Problem:
    """A row of deepmind/code_contests (arXiv 2203.07814): a description, and tests public, private and generated.

    They count in this order. Translated descriptions are asked like the others: they are in English too.
    """
    schema = "CodeContests rows have name, description, and tests of a struct with the lists input and output"
    for field in ("input_file", "output_file"):
        if _optional_text(row, schema, field):
            raise Skipped(f"it names an {field}, and programs get standard input and output alone")
    description = get_text(row, schema, "description")
    if description is None:
        raise Skipped("no question")
    groups = [_tests(row, schema, group) for group in TEST_GROUPS]
    inputs, outputs = ([text for group in groups for text in group[side]] for side in (0, 1))
    if not inputs:
        raise Skipped("no ground truth", "no tests")
    truth = json.dumps({"inputs": inputs, "outputs": outputs}, ensure_ascii=False)
    own_id = _own_id(row, "name") or row.name
    return _problem(own_id, description.rstrip() + CODE_SUFFIX, truth, "code", "code_contests")


def eurus_columns_adapter(columns: Collection[str]) -> Adapter:
    """Rows of Eurus-2-RL-Data whose data_source is one of ``columns``."""

    def adapt(row: Row) -> Problem:
        problem = eurus_adapter(row)
        if problem.data_source not in columns:
            raise Skipped(f"data_source {problem.data_source!r} is no column of the suite")
        extra = row.values.get("extra_info")
        index = extra.get("index") if isinstance(extra, dict) else None
        own_id = f"{problem.data_source} {index}" if isinstance(index, int) else row.name
        return replace(problem, problem_id=own_id)

    return adapt


def _problem(problem_id: str, content: str, truth: str, verifier: str, data_source: str) -> Problem:
    return Problem(problem_id, (Message(role="user", content=content),), truth, verifier, data_source)


def _present(row: Row, *names: str) -> str:
    """The first name that is a field of the row; the first of all where none is, for the message."""
    return next((name for name in names if name in row.values), names[0])


def _optional_text(row: Row, schema: str, name: str) -> str | None:
    return get_text(row, schema, name) if name in row.values else None


def _own_id(row: Row, name: str) -> str | None:
    """What the field says, on one line; None where it says nothing."""
    text = _optional_text(row, "an id is text or a number", name)
    return None if text is None else " ".join(text.split())


def _page(row: Row) -> str | None:
    """Of ``.../wiki/index.php/2022_AMC_12A_Problems/Problem_1`` what tells pages apart."""
    url = _own_id(row, "url")
    return "/".join(url.rstrip("/").split("/")[-2:]) if url else None


def _check_readable(row: Row) -> None:
    schema = "OlympiadBench's subject, language, modality and answer_type are text"
    for name, known in (("subject", ("math", "maths")), ("language", ("english", "en"))):
        text = _optional_text(row, schema, name)
        if text is not None and text.lower() not in known:
            raise Skipped(f"{name} {text!r} is not {known[0]}")
    modality = _optional_text(row, schema, "modality") or "text-only"
    if "text" not in modality.lower() or any(row.values.get(image) is not None for image in IMAGES):
        raise Skipped("it has images")
    if "human" in (_optional_text(row, schema, "answer_type") or "").lower():
        raise Skipped("only a human can grade it")


def _olympiad_truth(row: Row, schema: str) -> str:
    """Bare LaTeX, or the object that says more: docs/verifiers.md."""
    if "final_answer" not in row.values:
        raise Skipped("no ground truth (no field 'final_answer')")
    listed = [] if row.values["final_answer"] is None else row.values["final_answer"]
    if not isinstance(listed, list) or not all(isinstance(answer, str | None) for answer in listed):
        raise DataError(f"{row.where}: final_answer is no list of texts; {schema}")
    answers = [text for answer in listed if (text := to_text(answer)) is not None]
    if not answers or len(answers) < len(listed):
        raise Skipped("no ground truth")
    unit, error = (_optional_text(row, schema, name) for name in ("unit", "error"))
    if len(answers) == 1 and not unit and not error:
        return answers[0]
    return json.dumps({"answers": answers, "unit": unit, "tolerance": error}, ensure_ascii=False)


def _tests(row: Row, schema: str, group: str) -> tuple[list[str], list[str]]:
    tests = get_field(row, schema, group)
    if tests is None:
        return [], []
    sides = tuple(get_field(row, schema, group, side) or [] for side in ("input", "output"))
    for name, side in zip(("input", "output"), sides, strict=True):
        if not isinstance(side, list) or not all(isinstance(text, str) for text in side):
            raise DataError(f"{row.where}: {group}.{name} is no list of texts; {schema}")
    if len(sides[0]) != len(sides[1]):
        raise DataError(f"{row.where}: {group} has {len(sides[0])} inputs and {len(sides[1])} outputs; {schema}")
    return sides[0], sides[1]
