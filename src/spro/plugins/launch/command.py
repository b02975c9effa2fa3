"""``spro launch verl``: the translation printed, or run."""

import importlib.metadata
import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from spro.config import Config
from spro.errors import ConfigError
from spro.plugins.launch.data import load_problems, write_data
from spro.plugins.launch.literal import literal
from spro.plugins.launch.translation import Translation, translate
from spro.settings import load_config, next_run_dir

PROGRAM = ("-m", "verl.trainer.main_ppo")
MODULES = ("verl", "ray", "transfer_queue")
"""Without which a run of verl does not begin."""
INSTALL = "pip install 'spro[verl]'"


def launch_command(
    path: Path | None, overrides: Sequence[str], passed_on: Sequence[str], is_dry: bool, writes_data: bool
) -> int:
    """Translate a config, then print the command of verl or, in place of this process, run it.

    Args:
        path: of the config.
        overrides: ``key=value`` of ours.
        passed_on: words for verl, put last as they are.
        is_dry: print and run nothing: verl is not needed.
        writes_data: with ``is_dry``: write the data all the same, so that what is printed can be run.

    Raises:
        UserError: the config is wrong, verl cannot do what it asks, or is not installed here.
    """
    config = load_config(path, overrides)
    run_dir = pick_run_dir(config)
    translation = translate(config, run_dir)
    if not is_dry:
        check_host()
    if writes_data or not is_dry:
        check_run_dir(run_dir)
        task = load_problems(config)
        print(f"# {task.report}; {len(task.held_out)} of them held out; folder {run_dir}")
        write_data(task, translation.folder)
    else:
        print(f"# no data are written to {_one_line(str(translation.folder))}: add --write-data")
    # Who reads no further than the first line does not make a failure of it.
    with suppress(BrokenPipeError):
        print(render(translation, passed_on), flush=True)
    if not is_dry:
        _warn_of_no_gpu()
        os.execv(sys.executable, [sys.executable, *PROGRAM, *words_of(translation), *passed_on])
    return 0


def _warn_of_no_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        waits = "verl waits without a word until its Ray has trainer.n_gpus_per_node of them"
        print(f"spro: there is no GPU here; {waits}", file=sys.stderr, flush=True)


def render(translation: Translation, passed_on: Sequence[str]) -> str:
    """What a shell takes: comments, then the command with one override a line."""
    comments = [
        *(f"# stays behind: {line}" for line in translation.stays),
        *(f"# differs: {line}" for line in translation.differs),
    ]
    words = [shlex.quote(word) for word in (*words_of(translation), *passed_on)]
    command = " \\\n  ".join([" ".join(["python", *PROGRAM]), *words])
    return "\n".join([*map(_one_line, comments), command])


def words_of(translation: Translation) -> list[str]:
    """The overrides as words of a command line of Hydra."""
    return [f"{key}={literal(value)}" for key, value in translation.overrides.items()]


def pick_run_dir(config: Config) -> Path:
    """``run_dir`` or the next free folder, as ``spro train`` names them; absolute, since Ray works elsewhere."""
    run_dir = next_run_dir(config) if config.run_dir is None else config.run_dir.expanduser()
    return run_dir.resolve()


def check_run_dir(run_dir: Path) -> None:
    """Refuse a folder that holds something else than a run of verl; that is gone on with."""
    if run_dir.exists() and not (run_dir / "verl").is_dir():
        raise ConfigError(f"run_dir {str(run_dir)!r} is there and holds no run of verl: choose another")


def check_host() -> None:
    """Refuse to begin where verl or the plug-in would be missing.

    Raises:
        ConfigError: says what is, and what to do.
    """
    for name in MODULES:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"verl cannot run here, there is no module {name!r}: {INSTALL}, or look with --dry-run")
    named = os.environ.get("VERL_USE_EXTERNAL_MODULES", "").split(",")
    if "spro.plugins.verl" in named:
        return
    if not any(point.name == "spro" for point in importlib.metadata.entry_points(group="verl.plugins")):
        raise ConfigError(f"this installation does not offer spro's plug-in to verl: {INSTALL} anew")
    policy = os.environ.get("VERL_USE_EXTERNAL_PLUGINS", "auto").strip().lower()
    if policy != "auto" and "spro" not in [name.strip() for name in policy.split(",")]:
        raise ConfigError(f"VERL_USE_EXTERNAL_PLUGINS is {policy!r}, which leaves spro's plug-in out: unset it")


def _one_line(text: str) -> str:
    """Of what a config holds, which may have line breaks that would end a comment."""
    return text.replace("\r", "\\r").replace("\n", "\\n")
