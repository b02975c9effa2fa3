"""Suites: sets of problems to measure a model on, each under a name."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from spro.config.task import CalculatorTask, ChainTask
from spro.errors import ConfigError, DataError
from spro.settings import nearest
from spro.tasks.benchmarks import (
    OLYMPIAD_FIELDS,
    TEST_GROUPS,
    code_contests_adapter,
    competition_adapter,
    eurus_columns_adapter,
    gsm8k_adapter,
    olympiad_adapter,
)
from spro.tasks.load import load_task
from spro.tasks.problem import LoadReport, Problem, TaskData, Tool
from spro.tasks.records import Row, read_rows
from spro.tasks.rows import Adapter, ProblemWith, adapt_rows

SEED = 0
"""Of the lab suites: their problems are the held-out ones of a run with this seed and the default settings."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a suite consists of.

    Attributes:
        name: by which it is asked for.
        title: in tables and on pages.
        columns: ``Problem.data_source`` -> title of the column of a table that these problems make up, in order.
        adapter: rows into problems; None for a lab suite, whose problems are generated.
        fields: the fields of a row that the adapter reads.
        hub_id: of the data set; empty for a lab suite.
        split: of the data set.
        config: of the data set; empty where it has one only.
        generate: makes the lab task of a lab suite.
        note: what somebody who reads the numbers has to know; empty where they explain themselves.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    adapter: Adapter | None = None
    fields: tuple[str, ...] = ()
    hub_id: str = ""
    split: str = "test"
    config: str = ""
    generate: Callable[[], TaskData] | None = None
    note: str = ""

    @property
    def tool(self) -> Tool | None:
        """That the policy may call, if there is one."""
        return self.generate().tool if self.generate else None


_COMPETITION = ("problem", "question", "answer", "expected_answer", "url", "unique_id", "id")
_EURUS_COLUMNS = {
    "numina_amc_aime": "AMC",
    "numina_synthetic_math": "MATH",
    "numina_olympiads": "Olympiad",
    "numina_cn_k12": "K12",
    "codeforces": "CodeForces",
    "codecontests": "CodeContests",
}


def _chain() -> TaskData:
    return load_task(ChainTask(type="chain", train_problems=1), SEED, lambda *_: "")


def _calculator() -> TaskData:
    return load_task(CalculatorTask(type="calculator", train_problems=1), SEED, lambda *_: "")


def _competition(name: str, title: str, hub_id: str, split: str) -> Suite:
    return Suite(name, title, {name: title}, competition_adapter(name), _COMPETITION, hub_id, split)


_ALL = (
    _competition("amc", "AMC", "AI-MO/aimo-validation-amc", "train"),
    _competition("aime", "AIME", "AI-MO/aimo-validation-aime", "train"),
    _competition("math500", "MATH-500", "HuggingFaceH4/MATH-500", "test"),
    Suite(
        "olympiadbench",
        "OlympiadBench",
        {"olympiadbench": "OlympiadBench"},
        olympiad_adapter,
        OLYMPIAD_FIELDS,
        "Hothan/OlympiadBench",
        split="train",
        config="OE_TO_maths_en_COMP",
        note="open questions of mathematics in English and without images",
    ),
    Suite(
        "gsm8k",
        "GSM8K",
        {"gsm8k": "GSM8K"},
        gsm8k_adapter,
        ("question", "answer", "idx"),
        "openai/gsm8k",
        split="test",
        config="main",
    ),
    Suite(
        "eurus",
        "Eurus-2-RL-Data",
        _EURUS_COLUMNS,
        eurus_columns_adapter(_EURUS_COLUMNS),
        ("data_source", "prompt", "ability", "reward_model", "extra_info"),
        "PRIME-RL/Eurus-2-RL-Data",
        split="validation",
        note="an assumption: these six sources of the validation split are very likely the columns of the SPRO paper's "
        "Table 1, which names no data; rows of the other sources are left out",
    ),
    Suite(
        "code_contests",
        "CodeContests",
        {"code_contests": "CodeContests"},
        code_contests_adapter,
        ("name", "description", "input_file", "output_file", *TEST_GROUPS),
        "deepmind/code_contests",
        split="test",
        note="a problem with several right outputs has one of them in its tests, so scores are low rather than high; "
        "all programs have the time of verify.code, not that of their contest",
    ),
    Suite("chain", "Chain arithmetic", {"chain": "Chain"}, generate=_chain),
    Suite("calculator", "Chain arithmetic with a calculator", {"calculator": "Calculator"}, generate=_calculator),
)


SUITES: Mapping[str, Suite] = {suite.name: suite for suite in _ALL}
"""All suites by their names."""


def load_suite(
    name: str, path: str | None, problem_with: ProblemWith, max_problems: int | None = None
) -> tuple[tuple[Problem, ...], LoadReport]:
    """The problems of a suite, in the order of its rows, and what became of the rows.

    A problem's id is that of its row where it has one, else file name and row: the same wherever the files lie. Where
    an id comes again it gets a number (``... #2``), so that all are distinct.

    Args:
        name: of the suite.
        path: a file, a folder or a hub id with data in the suite's schema; None for ``Suite.hub_id``.
        problem_with: says of a verifier and a ground truth why nothing can be graded with them; problems of which it
            says so are counted and skipped.
        max_problems: only the first so many usable ones; None for all.

    Raises:
        ConfigError: there is no such suite, or a path for a lab suite.
        DataError: a file is missing or breaks the schema, or no row is usable; names file and row.
    """
    if name not in SUITES:
        raise ConfigError(f"there is no suite {name!r}; {nearest(name, SUITES)}")
    suite = SUITES[name]
    if suite.adapter is None:
        return _load_lab(suite, path, max_problems)
    place, report = suite.hub_id if path is None else path, LoadReport()
    rows = read_rows(place, suite.split, suite.fields, suite.config)
    problems = adapt_rows(rows, _with_distinct_ids(suite.adapter), problem_with, (), max_problems, report)
    if not problems:
        raise DataError(f"{place!r} gives no usable problem of the suite {name!r}: {report}")
    return tuple(problems), report


def _load_lab(suite: Suite, path: str | None, max_problems: int | None) -> tuple[tuple[Problem, ...], LoadReport]:
    if path is not None:
        raise ConfigError(f"the problems of the suite {suite.name!r} are generated; leave out the path {path!r}")
    assert suite.generate is not None
    problems = suite.generate().held_out[:max_problems]
    return problems, LoadReport(kept=len(problems))


def _with_distinct_ids(adapter: Adapter) -> Adapter:
    times: Counter[str] = Counter()
    taken: set[str] = set()

    # Counted here, before anybody says what can be graded: a machine that grades less gives the rest the same ids.
    def adapt(row: Row) -> Problem:
        problem = adapter(row)
        own_id = distinct = problem.problem_id
        times[own_id] += 1
        while distinct in taken:
            distinct = f"{own_id} #{times[own_id]}"
            times[own_id] += distinct in taken
        taken.add(distinct)
        return replace(problem, problem_id=distinct)

    return adapt
