"""``spro oracle``: score, print, write a folder."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from spro.errors import RunFolderError
from spro.lab.oracle.config import dump_config, parse_config
from spro.lab.oracle.page import is_base, render_oracle_page
from spro.lab.oracle.study import Result, run_study
from spro.lab.oracle.table import json_lines, print_table


def oracle_command(words: Sequence[str]) -> int:
    """Score the credit methods and write ``config.yaml``, ``scores.jsonl`` and ``oracle.html``; returns the exit code.

    The folder appears when all of it is written; a run that fails or is stopped leaves nothing.

    Args:
        words: ``key=value`` settings.

    Raises:
        ConfigError: a setting is wrong.
        RunFolderError: the folder exists already or cannot be written.
    """
    config = parse_config(words)
    torch.set_num_threads(1)
    with _exit_on_sigterm(), _begun_folder(config.out) as folder:
        (folder / "config.yaml").write_text(dump_config(config), encoding="utf-8")
        results: list[Result] = []
        with (folder / "scores.jsonl").open("w", encoding="utf-8") as lines:
            for result in run_study(config, lambda line: print(line, file=sys.stderr, flush=True)):
                results.append(result)
                lines.write(json_lines(result, is_base(config, result.setting)))
        (folder / "oracle.html").write_text(render_oracle_page(config, results), encoding="utf-8", newline="\n")
    print_table(next(result for result in results if is_base(config, result.setting)))
    print(config.out / "oracle.html")
    return 0


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """SIGTERM leaves by an exception, so that what was begun is removed."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _begun_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``out`` when all is written; when anything is raised, nothing stays.

    It is begun in the nearest folder above ``out`` that exists, hence on the same disk.
    """
    if os.path.lexists(out):
        raise RunFolderError(f"{str(out)!r} exists already: choose another folder with out=FOLDER")
    above = next(parent for parent in out.absolute().parents if parent.exists())
    try:
        with TemporaryDirectory(prefix=f".{out.name}-", dir=above) as begun:
            folder = Path(begun) / out.name
            folder.mkdir()
            yield folder
            out.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(out)
    except OSError as error:
        raise RunFolderError(f"{str(out)!r} cannot be written ({error.strerror}): choose another with out=") from error
