"""``spro train``: settings in, run folder and report out."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from spro.errors import RunFolderError
from spro.report import write_report
from spro.settings import load_config
from spro.train.checkpoint import newest_checkpoint
from spro.train.interrupt import stop_on_signals
from spro.train.metrics import Metrics
from spro.train.progress import open_display
from spro.train.setup import build_trainer, resolve
from spro.verify import Grader


def train_command(path: Path | None, overrides: Sequence[str]) -> int:
    """Train as the settings say; returns the exit code (128 + signal number when it was stopped).

    The report is written whatever ends the run once it has begun.

    Raises:
        SproError: see ``build_trainer`` and ``Trainer.run``.
    """
    config = resolve(load_config(path, overrides))
    with Grader(config.verify.workers, config.verify.timeout_s) as grader:
        trainer = build_trainer(config, grader)
        run_dir = trainer.folder.path
        try:
            with closing(open_display(config.train.steps)) as display, stop_on_signals() as stop:
                display.say(
                    f"{trainer.load_report}; {len(trainer.held_out.prompts)} of them held out; folder {run_dir}"
                )
                first, last = trainer.run(display, stop)
        except BaseException:
            # What ended the run is what must be told, also when it left too little for a report.
            with suppress(RunFolderError):
                write_report(run_dir)
            raise
        report = write_report(run_dir)
    print(
        f"{_held_out(first, last)}\nreport      {report}\ncheckpoint  {newest_checkpoint(trainer.folder.checkpoints)}"
    )
    return 128 + stop.signal_number if stop.signal_number is not None else 0


def _held_out(first: Metrics, last: Metrics) -> str:
    """``held-out accuracy 0.41 -> 0.78 (greedy 0.93 -> 0.97), length 37.4 -> 25.1``, as far as it was measured."""

    def change(name: str) -> str:
        values = [metrics.get(name) for metrics in (first, last)]
        return " -> ".join("?" if value is None else f"{value:.3g}" for value in values)

    if "eval/accuracy" not in last:
        return f"training accuracy {change('accuracy').split()[-1]}, without held-out evaluation"
    return (
        f"held-out accuracy {change('eval/accuracy')} (greedy {change('eval/greedy_accuracy')}), "
        f"response length {change('eval/response_length/mean')}"
    )
