"""``spro compare``: train every method with every seed, measure, and write what came of it."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from spro.errors import ConfigError, RunFolderError
from spro.lab.compare.config import CompareConfig, load_compare, pick_out
from spro.lab.compare.folder import SETTINGS, opened_folder
from spro.lab.compare.processes import Children, Stop, noted_signals
from spro.lab.compare.rebuild import rebuild_comparison

FAILED = 1


def compare_command(path: Path, words: Sequence[str], resume: bool = False, allow_unsafe: bool = False) -> int:
    """Run a comparison, or go on with it; returns the exit code.

    That is 1 where a run failed, which does not keep the others from being compared, and 128 + signal number where
    the comparison was stopped.

    Args:
        path: of the settings; ``compare.yaml`` of the folder will do to go on.
        words: ``key=value`` settings over these.
        resume: go on with the comparison in ``out``; begin it where that does not exist.
        allow_unsafe: see ``Grading``.

    Raises:
        ConfigError: a setting of the comparison, or of any run in it, is wrong.
        RunFolderError: see ``opened_folder``.
    """
    # Here, so that a page can be written anew where there is no torch.
    from spro.lab.compare.plan import default_jobs, make_plan
    from spro.lab.compare.schedule import Schedule

    config, run_words = load_compare(path, words)
    config = _placed(config, path, resume)
    plan = make_plan(config, run_words)
    out = pick_out(config, plan.base.task.type)
    shared = plan.base.model_dump(mode="json", exclude={"seed", "run_dir"})
    # Nothing of this machine: the folder may be moved, and its summaries committed.
    kept = config.model_copy(update={"run": shared, "out": None, "jobs": None})
    stop = Stop()
    with opened_folder(kept, plan.base.task, out, resume) as (folder, lock), noted_signals(stop):
        schedule = Schedule(config, plan, folder, allow_unsafe, _say)
        at_once = config.jobs or default_jobs(plan.base)
        runs = len(config.labels) * len(config.seeds)
        _say(
            f"{_count(config.labels, 'method')} x {_count(config.seeds, 'seed')}: {runs} runs of "
            f"{plan.base.train.steps} steps, {at_once} at a time; folder {out}"
        )
        try:
            schedule.write_configs()
            Children(at_once, stop, lock).run(schedule.jobs(), schedule.ended)
        except OSError as error:
            raise RunFolderError(
                f"{str(out)!r} cannot be written ({error.strerror}); what is done is kept, go on with --resume"
            ) from error
        if stop.number is not None:
            _say("stopped; go on with --resume")
            return 128 + stop.number
        page = rebuild_comparison(out)
    with suppress(BrokenPipeError):
        print(page, flush=True)
    return FAILED if schedule.failed else 0


def _placed(config: CompareConfig, path: Path, resume: bool) -> CompareConfig:
    """With the folder to go on with named."""
    if not resume or config.out is not None:
        return config
    if path.name == SETTINGS and (path.parent / "summaries").is_dir():
        return config.model_copy(update={"out": path.parent})
    raise ConfigError("--resume needs the folder of the comparison to go on with: add out=...")


def _count(items: Sequence[object], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _say(line: str) -> None:
    with suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)
