"""``spro eval``: a model and a suite in, a folder of samples and a table of numbers out."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import torch

from spro.errors import ConfigError, ModelError
from spro.evaluate.against import compare, print_comparison, record_comparison
from spro.evaluate.bench import Bench, build_bench, load_model
from spro.evaluate.config import EvalConfig
from spro.evaluate.evaluation import evaluate
from spro.evaluate.export import export_task
from spro.evaluate.folder import EvalFolder, check_free, write_json
from spro.evaluate.result import Finished, is_evaluation, read_finished, record, summarize
from spro.evaluate.samples import by_problem, read_samples
from spro.evaluate.settle import as_run, settle
from spro.evaluate.table import print_result
from spro.train.grading import Grading
from spro.train.interrupt import Interrupted, StopRequest, stop_on_signals
from spro.train.progress import open_display


def evaluate_command(
    model: str,
    suite: str | None,
    words: Sequence[str],
    against: Path | None = None,
    resume: bool = False,
    export: str | None = None,
    allow_unsafe: bool = False,
) -> int:
    """Measure a model on a suite; returns the exit code (128 + signal number when it was stopped).

    Args:
        model: a model's folder, a checkpoint, a hub id or ``builtin:chain``; or the folder of a finished evaluation,
            whose numbers are then printed and nothing is asked.
        suite: its name.
        words: ``key=value`` settings.
        against: the folder of another evaluation of the suite, to compare with.
        resume: go on with the evaluation in ``out``, or begin it where that does not exist.
        export: ``lm-eval`` writes the suite as a task of that harness instead.
        allow_unsafe: see ``Grading``.

    Raises:
        SproError: see ``settle``, ``build_bench``, ``EvalFolder``, ``evaluate``, ``compare``.
    """
    other = None if against is None else read_finished(against)
    if is_evaluation(Path(model)):
        if suite is not None or words or resume or export is not None:
            raise ConfigError(
                f"{model!r} is an evaluation, whose numbers are shown; leave out --suite, --resume, --export and "
                "settings, or give the model itself"
            )
        return _show(read_finished(Path(model)), other)
    config = settle(model, suite, words, resume)
    if export is not None:
        return _export(config, resume, against)
    if other is not None and other.config.suite != config.suite:
        raise ConfigError(f"--against {str(against)!r} is of the suite {other.config.suite!r}, not {config.suite!r}")
    assert config.out is not None
    if not resume:
        check_free(config.out)
    stop = StopRequest()
    policy, limit = load_model(config)
    with Grading(as_run(config, limit), allow_unsafe) as grading:
        bench = build_bench(config, policy, limit, grading, stop)
        with closing(bench), closing(EvalFolder(config, bench.identity, resume)) as folder:
            if not _answer(bench, folder, stop):
                return 128 + (stop.signal_number or 0)
            problems = by_problem(read_samples(folder.samples), config.answers)
            write_json(folder.path / "result.json", record(bench, summarize(config, problems)))
    return _show(read_finished(config.out), other)


def _answer(bench: Bench, folder: EvalFolder, stop: StopRequest) -> bool:
    """Whether all problems were answered; otherwise a stop was asked for, and how to go on is said."""
    config = bench.config
    with closing(open_display(len(bench.asked.prompts), "problem")) as display, stop_on_signals(stop):
        display.say("; ".join([f"{bench.suite.title}: {bench.notes[0]}", f"folder {folder.path}"]))
        for note in bench.notes[1:]:
            display.say(note)
        try:
            evaluate(bench, folder, display)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise ModelError(
                "the memory is full: take a smaller rollout.max_rows, which is another evaluation, or a smaller "
                "vllm.gpu_memory_utilization, and go on with --resume"
            ) from error
        except Interrupted:
            display.say(
                f"stopped; go on with: spro eval {config.model.path} --suite {config.suite} out={folder.path} --resume"
            )
            return False
    return True


def _show(evaluation: Finished, other: Finished | None) -> int:
    config, told = evaluation.config, evaluation.record
    title = f"{config.model.path} on {told['title']}"
    result = summarize(config, evaluation.problems)
    with suppress(BrokenPipeError):
        print_result(title, result, [*_notes(told), f"samples and numbers: {evaluation.path}"])
    if other is None:
        return 0
    comparison = compare(evaluation, other)
    name = f"against-{other.path.resolve().name}.json"
    write_json(evaluation.path / name, record_comparison(other, comparison))
    with suppress(BrokenPipeError):
        print_comparison(evaluation, other, comparison)
    return 0


def _notes(told: dict[str, object]) -> list[str]:
    asked = told["asked"]
    assert isinstance(asked, dict)
    notes = [f"note: {told['note']}"] if told["note"] else []
    if asked["too_long"]:
        notes.append(
            f"not asked, and in no share: {len(asked['too_long'])} problems whose prompts have more than "
            f"{asked['max_prompt_length']} tokens"
        )
    return notes


def _export(config: EvalConfig, resume: bool, against: Path | None) -> int:
    if resume or against is not None:
        raise ConfigError("--export writes a task and asks nothing: leave out --resume and --against")
    print(export_task(config))
    return 0
