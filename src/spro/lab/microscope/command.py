"""``spro microscope``: sample, score, measure, write a folder."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from spro.errors import ConfigError
from spro.folders import begun_folder, check_absent, next_numbered
from spro.lab.microscope.choice import choose_methods
from spro.lab.microscope.config import MicroscopeConfig, parse_request
from spro.lab.microscope.record import find, write_findings
from spro.lab.microscope.rollouts import has_exact_truth, sample_rollouts
from spro.lab.microscope.scoring import score_methods
from spro.lab.microscope.subject import Subject, open_subject
from spro.lab.microscope.table import print_findings
from spro.report import write_microscope
from spro.signals import leave, on_signals
from spro.train.grading import Grading


def microscope_command(target: str, words: Sequence[str], allow_unsafe: bool = False) -> int:
    """Score the same responses by several methods, and write ``microscope.html`` with its files.

    The folder appears when all of it is written; a run that fails or is stopped leaves nothing.

    Args:
        target: a run folder or a model.
        words: ``key=value`` settings.
        allow_unsafe: see ``Grading``.

    Raises:
        UserError: the target or a setting is wrong, or the folder exists already.
        TrainingError: nothing could be graded.
    """
    request = parse_request(target, words)
    if request.config.out is not None:
        check_absent(request.config.out)
    with on_signals(leave, (signal.SIGTERM,)):
        subject = open_subject(request)
        truths = pick_truths(request.config, subject)
        choice = choose_methods(request, subject, truths)
        out = request.config.out or next_numbered(Path("microscopes"), subject.name)
        with Grading(subject.config, allow_unsafe) as grading:
            rollouts = sample_rollouts(subject, request.config, choice.needs, truths, grading, _say)
        _say(f"scoring by {', '.join(choice.methods)}")
        findings = find(subject, rollouts, choice, score_methods(subject, rollouts.groups, choice, rollouts.truths))
        with begun_folder(out) as folder:
            write_findings(folder, request, findings)
            write_microscope(folder)
    print_findings(findings)
    print(out / "microscope.html")
    return 0


def pick_truths(settings: MicroscopeConfig, subject: Subject) -> frozenset[str]:
    """Names of the truths to hold the methods against.

    Raises:
        ConfigError: the exact one is asked for, and the task has none.
    """
    is_exact = has_exact_truth(subject.config)
    if settings.truth == "exact" and not is_exact:
        raise ConfigError(
            f"truth is 'exact', and only the task chain with its own verifier has one, not "
            f"{subject.config.task.type!r}: take truth=monte_carlo"
        )
    if settings.truth == "auto":
        return frozenset({"monte_carlo", "exact"} if is_exact else {"monte_carlo"})
    return frozenset({settings.truth} - {"none"})


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
