"""``spro eval``: a model and a suite in, a folder of samples and a table of numbers out."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from spro.errors import ConfigError, ModelError
from spro.evaluate.against import compare, contrast_json, print_contrast
from spro.evaluate.bench import Bench, build_bench, load_model
from spro.evaluate.evaluation import evaluate
from spro.evaluate.export import export_task
from spro.evaluate.facts import Facts
from spro.evaluate.folder import EvalFolder, check_free, write_json
from spro.evaluate.result import Finished, as_json, facts_of, read_finished, summarize
from spro.evaluate.samples import by_problem, read_samples
from spro.evaluate.settle import as_run, settle
from spro.evaluate.table import print_result
from spro.train.grading import Grading
from spro.train.interrupt import Interrupted, StopRequest, stop_on_signals
from spro.train.memory import is_out_of_memory
from spro.train.progress import open_display


def evaluate_command(
    model: str,
    suite: str | None,
    words: Sequence[str],
    against: Path | None = None,
    resume: bool = False,
    allow_unsafe: bool = False,
) -> int:
    """Measure a model on a suite; returns the exit code (128 + signal number when it was stopped).

    Args:
        model: a model's folder, a checkpoint, a hub id or ``builtin:chain``.
        suite: its name.
        words: ``key=value`` settings.
        against: the folder of another evaluation of the suite, to compare with.
        resume: go on with the evaluation in ``out``, or begin it where that does not exist.
        allow_unsafe: see ``Grading``.

    Raises:
        SproError: see ``settle``, ``build_bench``, ``EvalFolder``, ``evaluate``, ``compare``.
    """
    other = None if against is None else read_finished(against)
    config = settle(model, suite, words, resume)
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
            write_json(folder.path / "result.json", as_json(facts_of(bench), summarize(config, problems)))
    return _show(read_finished(config.out), other)


def show_command(folder: Path, against: Path | None = None) -> int:
    """Print the numbers of a finished evaluation and ask nothing; returns the exit code.

    Args:
        folder: of the evaluation.
        against: that of another one of the same suite, to compare with.

    Raises:
        UserError: see ``read_finished`` and ``compare``.
    """
    return _show(read_finished(folder), None if against is None else read_finished(against))


def export_command(model: str, suite: str | None, words: Sequence[str]) -> int:
    """Write a suite as a task of lm-eval, and print the command that runs it; returns the exit code.

    Args:
        model: see ``evaluate_command``, like the others.
        suite: its name.
        words: ``key=value`` settings.

    Raises:
        UserError: see ``settle`` and ``export_task``.
    """
    print(export_task(settle(model, suite, words)))
    return 0


def _answer(bench: Bench, folder: EvalFolder, stop: StopRequest) -> bool:
    """Whether all problems were answered; otherwise a stop was asked for, and how to go on is said."""
    config = bench.config
    with closing(open_display(len(bench.asked.prompts), "problem")) as display, stop_on_signals(stop):
        display.say("; ".join([f"{bench.suite.title}: {bench.notes[0]}", f"folder {folder.path}"]))
        for note in bench.notes[1:]:
            display.say(note)
        try:
            evaluate(bench, folder, display)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
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
    config, facts = evaluation.config, evaluation.facts
    title = f"{config.model.path} on {facts.title}"
    result = summarize(config, evaluation.problems)
    with suppress(BrokenPipeError):
        print_result(title, result, [*_notes(facts), f"samples and numbers: {evaluation.path}"])
    if other is None:
        return 0
    contrast = compare(evaluation, other)
    write_json(evaluation.path / f"against-{other.path.resolve().name}.json", contrast_json(other, contrast))
    with suppress(BrokenPipeError):
        print_contrast(evaluation, other, contrast)
    return 0


def _notes(facts: Facts) -> list[str]:
    notes = [f"note: {facts.note}"] if facts.note else []
    if facts.asked.too_long:
        notes.append(
            f"not asked, and in no share: {len(facts.asked.too_long)} problems whose prompts have more than "
            f"{facts.asked.max_prompt_length} tokens"
        )
    return notes
