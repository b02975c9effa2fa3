"""``spro oracle``: score, print, write a folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from spro.errors import RunFolderError
from spro.lab.oracle.config import OracleConfig, dump_config, parse_config
from spro.lab.oracle.page import is_base, render_oracle_page
from spro.lab.oracle.study import Result, run_study
from spro.lab.oracle.table import json_lines, print_table


def oracle_command(words: Sequence[str]) -> int:
    """Score the credit methods and write ``config.yaml``, ``scores.jsonl`` and ``oracle.html``; returns the exit code.

    Args:
        words: ``key=value`` settings.

    Raises:
        ConfigError: a setting is wrong.
        RunFolderError: the folder exists already or cannot be written.
    """
    config = parse_config(words)
    folder = _new_folder(config)
    torch.set_num_threads(1)
    results: list[Result] = []
    with (folder / "scores.jsonl").open("w", encoding="utf-8") as lines:
        for result in run_study(config, lambda line: print(line, file=sys.stderr, flush=True)):
            results.append(result)
            lines.write(json_lines(result, is_base(config, result.setting)))
            lines.flush()
    (folder / "oracle.html").write_text(render_oracle_page(config, results), encoding="utf-8", newline="\n")
    print_table(next(result for result in results if is_base(config, result.setting)))
    print(folder / "oracle.html")
    return 0


def _new_folder(config: OracleConfig) -> Path:
    folder = config.out
    try:
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    except FileExistsError as error:
        raise RunFolderError(f"{str(folder)!r} exists already: choose another folder with out=FOLDER") from error
    except OSError as error:
        raise RunFolderError(
            f"{str(folder)!r} cannot be written ({error.strerror}): choose another with out="
        ) from error
    return folder
