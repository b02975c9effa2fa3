"""``spro train``: settings in, run folder and report out."""

import errno
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from safetensors import SafetensorError

from spro.errors import RunFolderError, TrainingError
from spro.report import write_report
from spro.settings import load_config
from spro.train.grading import Grading
from spro.train.interrupt import StopRequest, stop_on_signals
from spro.train.loop import Outcome
from spro.train.memory import is_out_of_memory
from spro.train.progress import describe, open_display
from spro.train.resume import load_resumed
from spro.train.setup import build_trainer, resolve

DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
SMALLER = "take a smaller model, model.lora with a smaller rank, model.dtype=bfloat16 or reference.device=cpu"


def train_command(path: Path | None, overrides: Sequence[str], allow_unsafe: bool = False, resume: bool = False) -> int:
    """Train as the settings say; returns the exit code (128 + signal number when it was stopped).

    The report is written whatever ends the run once it has begun. ``allow_unsafe``: see ``Grading``. ``resume``: go on
    with the run in ``run_dir``, or begin it where that does not exist.

    Raises:
        SproError: see ``build_trainer`` and ``Trainer.run``.
    """
    load = load_resumed if resume else load_config
    config = resolve(load(path, overrides))
    stop = StopRequest()
    with Grading(config, allow_unsafe) as grading, ExitStack() as held:
        try:
            trainer = held.enter_context(closing(build_trainer(config, grading, stop, resume)))
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise TrainingError(f"the memory is full before the run begins; {SMALLER}") from error
            raise
        held.callback(trainer.folder.close)
        run_dir = trainer.folder.path
        try:
            with closing(open_display(config.train.steps)) as display, stop_on_signals(stop):
                problems, *others = trainer.notes
                display.say(f"{problems}; folder {run_dir}")
                for note in others:
                    display.say(note)
                outcome = trainer.run(display)
        except BaseException as error:
            # What ended the run is what must be told, also when it left too little for a report.
            with suppress(RunFolderError, OSError):
                write_report(run_dir)
            if explained := _explain(error, run_dir):
                raise explained from error
            raise
        report = write_report(run_dir) if outcome.evaluations else "none"
    # Who reads no further than the first line does not make a failure of it.
    with suppress(BrokenPipeError):
        checkpoint = trainer.folder.checkpoints.newest() or "none, stopped before the first step"
        print(f"{_summarize(outcome)}\nreport      {report}\ncheckpoint  {checkpoint}", flush=True)
    return 128 + stop.signal_number if stop.signal_number is not None else 0


def _explain(error: BaseException, run_dir: Path) -> TrainingError | None:
    """The machine's own limits as one line for the user; None for any other error."""
    if is_out_of_memory(error):
        return TrainingError(
            "the memory is full; lower train.micro_batch_tokens or set model.gradient_checkpointing (scoring and "
            "update), lower rollout.max_rows or vllm.gpu_memory_utilization (sampling)"
        )
    named = getattr(error, "filename", None)
    is_ours = isinstance(named, str) and Path(named).resolve().is_relative_to(run_dir.resolve())
    is_full = isinstance(error, OSError) and error.errno in DISK_TROUBLE
    if is_ours or is_full or isinstance(error, SafetensorError):
        return TrainingError(
            f"cannot write into the run folder {str(run_dir)!r}: {error}; what was saved before is whole"
        )
    return None


def _summarize(outcome: Outcome) -> str:
    """``held-out accuracy 0.41 -> 0.78 (greedy 0.93 -> 0.97), response length 37.4 -> 25.1, step 0 -> 70``."""
    if not outcome.evaluations:
        return "stopped before the first evaluation"
    (_, first), (step, last) = outcome.evaluations[0], outcome.evaluations[-1]
    if last.get("eval/accuracy") is None:
        return f"{outcome.steps} steps without held-out evaluation; {describe(outcome.latest)}"
    if step == 0:
        return f"{outcome.steps} steps, not evaluated since the start; {describe(outcome.latest)}"

    def change(name: str) -> str:
        return " -> ".join(f"{metrics[name] or 0:.3g}" for metrics in (first, last))

    return (
        f"held-out accuracy {change('eval/accuracy')} (greedy {change('eval/greedy_accuracy')}), "
        f"response length {change('eval/response_length/mean')}, step 0 -> {step}"
    )
