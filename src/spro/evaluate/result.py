"""What an evaluation found: ``result.json``, a function of the samples and of what was asked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from spro.errors import DataError
from spro.evaluate.bench import Bench
from spro.evaluate.config import EvalConfig
from spro.evaluate.facts import AskedFacts, DataFacts, Facts, ModelFacts, read_record
from spro.evaluate.numbers import Numbers, average_columns, by_column, measure
from spro.evaluate.samples import Answered, by_problem, read_samples
from spro.settings import load_settings
from spro.statistics import Estimate
from spro.tasks import SUITES


@dataclass(frozen=True)
class Result:
    """The numbers of an evaluation.

    Attributes:
        columns: by title, in the order of the suite.
        average: unweighted over the columns.
        pooled: of all problems together.
    """

    columns: dict[str, Numbers]
    average: dict[str, Estimate]
    pooled: Numbers


@dataclass(frozen=True)
class Finished:
    """An evaluation that was finished, as its folder holds it.

    Attributes:
        path: of the folder.
        config: its settings.
        problems: all that was answered.
        facts: of ``result.json``.
    """

    path: Path
    config: EvalConfig
    problems: tuple[Answered, ...]
    facts: Facts


def summarize(config: EvalConfig, problems: Sequence[Answered]) -> Result:
    """The numbers of each column, of their average and of all problems."""
    titles = SUITES[config.suite].columns
    columns = {
        titles.get(name, name): measure(members, config.sampled)
        for name, members in by_column(problems, titles).items()
    }
    return Result(columns, average_columns([*columns.values()]), measure(problems, config.sampled))


def facts_of(bench: Bench) -> Facts:
    """What there is to know beside the numbers."""
    config, asked, identity = bench.config, bench.asked, bench.identity
    return Facts(
        suite=config.suite,
        title=bench.suite.title,
        note=bench.suite.note,
        model=ModelFacts(config.model.path, identity.model),
        data=DataFacts(config.path or bench.suite.origin, str(asked.report), identity.questions, config.max_problems),
        asked=AskedFacts(
            problems=len(asked.prompts),
            too_long=tuple(problem.problem_id for problem in asked.too_long),
            max_prompt_length=asked.room,
            max_response_length=bench.max_response_length,
            samples=config.sampled,
            temperature=config.temperature,
            greedy=config.greedy,
            seed=config.seed,
            engine=config.rollout.engine,
        ),
        template=identity.template,
        prompts=identity.prompts,
        extraction=config.verify.math.boxes,
        versions=identity.versions,
    )


def as_json(facts: Facts, result: Result) -> dict[str, object]:
    """``result.json`` as plain data."""
    return {
        **asdict(facts),
        "columns": {title: _numbers(numbers) for title, numbers in result.columns.items()},
        "average": {name: asdict(estimate) for name, estimate in result.average.items()},
        "all": _numbers(result.pooled),
    }


def _numbers(numbers: Numbers) -> dict[str, object]:
    return {
        "problems": numbers.problems,
        "metrics": {name: asdict(estimate) for name, estimate in numbers.metrics.items()},
        "statuses": numbers.statuses,
        "unscored": numbers.unscored,
        "without_score": numbers.without_score,
        "cut_share": numbers.cut_share,
    }


def is_evaluation(path: Path) -> bool:
    """Whether a folder is one of an evaluation, finished or not."""
    return (path / "samples.jsonl").is_file() and (path / "config.yaml").is_file()


def read_finished(path: Path) -> Finished:
    """An evaluation from its folder.

    Raises:
        DataError: there is none, a file is damaged, or it is not finished; says how to go on with it.
        ConfigError: its settings cannot be read.
    """
    if not is_evaluation(path):
        raise DataError(f"{str(path)!r} is no folder of an evaluation: it has no config.yaml and samples.jsonl")
    config = load_settings(EvalConfig, path / "config.yaml", ())
    if not (path / "result.json").is_file():
        raise DataError(
            f"the evaluation in {str(path)!r} is not finished; go on with it: spro eval {config.model.path} --suite "
            f"{config.suite} out={path} --resume"
        )
    facts = read_record(Facts, path / "result.json", "remove it, and go on with the evaluation by --resume")
    samples = read_samples(path / "samples.jsonl")
    if not samples or len(samples) % config.answers or len(samples) // config.answers != facts.asked.problems:
        raise DataError(f"{str(path / 'samples.jsonl')!r} does not hold what result.json says: the file was changed")
    return Finished(path, config, by_problem(samples, config.answers), facts)
