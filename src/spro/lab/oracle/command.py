"""``spro oracle``: score, print, write a folder."""

import signal
import sys
from collections.abc import Sequence

import torch

from spro.folders import begun_folder
from spro.lab.oracle.config import parse_config
from spro.lab.oracle.images import write_images
from spro.lab.oracle.page import is_base, render_oracle_page
from spro.lab.oracle.study import Result, run_study
from spro.lab.oracle.sweeps import make_sweeps
from spro.lab.oracle.table import json_lines, print_table
from spro.settings import dump_config
from spro.signals import leave, on_signals


def oracle_command(words: Sequence[str]) -> int:
    """Score the credit methods and write a folder; returns the exit code.

    In it are ``config.yaml``, ``scores.jsonl``, ``oracle.html``, and ``figures/``: each of its panels as PNG and CSV.

    The folder appears when all of it is written; a run that fails or is stopped leaves nothing.

    Args:
        words: ``key=value`` settings.

    Raises:
        ConfigError: a setting is wrong.
        RunFolderError: the folder exists already or cannot be written.
    """
    config = parse_config(words)
    torch.set_num_threads(1)
    with on_signals(leave, (signal.SIGTERM,)), begun_folder(config.out) as folder:
        (folder / "config.yaml").write_text(dump_config(config), encoding="utf-8")
        results: list[Result] = []
        with (folder / "scores.jsonl").open("w", encoding="utf-8") as lines:
            for result in run_study(config, lambda line: print(line, file=sys.stderr, flush=True)):
                results.append(result)
                lines.write(json_lines(result, is_base(config, result.setting)))
        sweeps = make_sweeps(config, results)
        page = render_oracle_page(config, results, sweeps)
        (folder / "oracle.html").write_text(page, encoding="utf-8", newline="\n")
        write_images(folder / "figures", sweeps)
    print_table(next(result for result in results if is_base(config, result.setting)))
    print(config.out / "oracle.html")
    return 0
