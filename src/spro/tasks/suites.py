"""Suites: sets of problems to measure a model on, each under a name."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

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


Loaded = tuple[tuple[Problem, ...], LoadReport]
"""Problems, and what became of the rows that they come from."""


@dataclass(frozen=True, slots=True)
class HubSuite:
    """Problems in the rows of a data set.

    Attributes:
        name: by which it is asked for.
        title: in tables and on pages.
        columns: ``Problem.data_source`` -> title of the column of a table that these problems make up, in order.
        adapter: rows into problems.
        fields: the fields of a row that the adapter reads.
        hub_id: of the data set.
        split: of the data set.
        config: of the data set; empty where it has one only.
        note: what somebody who reads the numbers has to know; empty where they explain themselves.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    adapter: Adapter
    fields: tuple[str, ...]
    hub_id: str
    split: str = "test"
    config: str = ""
    note: str = ""

    @property
    def origin(self) -> str:
        """Where the problems come from where no path is given."""
        return self.hub_id

    @property
    def tool(self) -> Tool | None:
        """None: there is nothing that the policy may call."""
        return None

    def load(self, path: str | None, problem_with: ProblemWith, max_problems: int | None = None) -> Loaded:
        """See ``load_suite``."""
        place, report = self.hub_id if path is None else path, LoadReport()
        rows = read_rows(place, self.split, self.fields, self.config)
        problems = adapt_rows(rows, _with_distinct_ids(self.adapter), problem_with, (), max_problems, report)
        if not problems:
            raise DataError(f"{place!r} gives no usable problem of the suite {self.name!r}: {report}")
        return tuple(problems), report


@dataclass(frozen=True, slots=True)
class LabSuite:
    """The held-out problems of a lab task.

    Attributes:
        name: by which it is asked for.
        title: in tables and on pages.
        columns: as of ``HubSuite``; there is one.
        generate: makes the task; once, and the same from then on.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    generate: Callable[[], TaskData]

    @property
    def note(self) -> str:
        """Empty: the numbers explain themselves."""
        return ""

    @property
    def origin(self) -> str:
        """No place: the problems are generated."""
        return "generated"

    @property
    def tool(self) -> Tool | None:
        """That the policy may call, if there is one."""
        return self.generate().tool

    def load(self, path: str | None, problem_with: ProblemWith, max_problems: int | None = None) -> Loaded:
        """See ``load_suite``; what spro generates it can grade."""
        if path is not None:
            raise ConfigError(f"the problems of the suite {self.name!r} are generated; leave out the path {path!r}")
        problems = self.generate().held_out[:max_problems]
        return problems, LoadReport(kept=len(problems))


Suite = HubSuite | LabSuite


_COMPETITION = ("problem", "question", "answer", "expected_answer", "url", "unique_id", "id")
_EURUS_COLUMNS = {
    "numina_amc_aime": "AMC",
    "numina_synthetic_math": "MATH",
    "numina_olympiads": "Olympiad",
    "numina_cn_k12": "K12",
    "codeforces": "CodeForces",
    "codecontests": "CodeContests",
}


@cache
def _chain() -> TaskData:
    return load_task(ChainTask(type="chain", train_problems=1), SEED, lambda *_: "")


@cache
def _calculator() -> TaskData:
    return load_task(CalculatorTask(type="calculator", train_problems=1), SEED, lambda *_: "")


def _competition(name: str, title: str, hub_id: str, split: str) -> HubSuite:
    return HubSuite(name, title, {name: title}, competition_adapter(name), _COMPETITION, hub_id, split)


_ALL: tuple[Suite, ...] = (
    _competition("amc", "AMC", "AI-MO/aimo-validation-amc", "train"),
    _competition("aime", "AIME", "AI-MO/aimo-validation-aime", "train"),
    _competition("math500", "MATH-500", "HuggingFaceH4/MATH-500", "test"),
    HubSuite(
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
    HubSuite(
        "gsm8k",
        "GSM8K",
        {"gsm8k": "GSM8K"},
        gsm8k_adapter,
        ("question", "answer", "idx"),
        "openai/gsm8k",
        split="test",
        config="main",
    ),
    HubSuite(
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
    HubSuite(
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
    LabSuite("chain", "Chain arithmetic", {"chain": "Chain"}, _chain),
    LabSuite("calculator", "Chain arithmetic with a calculator", {"calculator": "Calculator"}, _calculator),
)


SUITES: Mapping[str, Suite] = {suite.name: suite for suite in _ALL}
"""All suites by their names."""


def load_suite(name: str, path: str | None, problem_with: ProblemWith, max_problems: int | None = None) -> Loaded:
    """The problems of a suite, in the order of its rows, and what became of the rows.

    A problem's id is that of its row where it has one, else file name and row: the same wherever the files lie. Where
    an id comes again it gets a number (``... #2``), so that all are distinct.

    Args:
        name: of the suite.
        path: a file, a folder or a hub id with data in the suite's schema; None for ``HubSuite.hub_id``.
        problem_with: says of a verifier and a ground truth why nothing can be graded with them; problems of which it
            says so are counted and skipped.
        max_problems: only the first so many usable ones; None for all.

    Raises:
        ConfigError: there is no such suite, or a path for a lab suite.
        DataError: a file is missing or breaks the schema, or no row is usable; names file and row.
    """
    if name not in SUITES:
        raise ConfigError(f"there is no suite {name!r}; {nearest(name, SUITES)}")
    return SUITES[name].load(path, problem_with, max_problems)


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
