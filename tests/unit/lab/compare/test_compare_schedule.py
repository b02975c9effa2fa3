"""What a comparison makes of a process that ended."""

import os
from pathlib import Path

import pytest

from spro.lab.compare.config import CompareConfig
from spro.lab.compare.folder import CompareFolder
from spro.lab.compare.plan import make_plan
from spro.lab.compare.processes import Ended, Job, Kind
from spro.lab.compare.schedule import Schedule
from spro.lab.compare.summary import read_summary
from spro.train.interrupt import STOPPING

EARLIER = "spro: the disk was full an hour ago\n"


def failure(folder: Path, said: str, code: int) -> str:
    """What the summary says of a run that had failed before, was tried again, and said this."""
    (folder / "summaries").mkdir()
    config = CompareConfig(methods=["grpo"], seeds=(0,))
    schedule = Schedule(config, make_plan(config, ()), CompareFolder(folder), False, lambda line: None)
    log = folder / "logs" / "grpo-seed-0.log"
    log.parent.mkdir()
    log.write_text(EARLIER + said)
    assert schedule.ended(Ended(Job("grpo-seed-0", Kind.TRAIN, (), log), code, len(EARLIER))) == []
    assert schedule.failed == ["grpo-seed-0"]
    return read_summary(folder / "summaries" / "grpo-seed-0.json").failure


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("step 3\nspro: step 4: loss is not finite\n", 1, "exit code 1: step 4: loss is not finite"),
        ("Traceback\nKeyError: 3\n\n", 1, "exit code 1: KeyError: 3"),
        ("", -9, "signal 9"),
        (f"step 3\n\n{STOPPING}\ncheckpoint  none\n", 143, "exit code 143: a signal asked it to end"),
        (f"step 3\n\n{STOPPING}\nspro: the disk is full\n", 1, "exit code 1: the disk is full"),
    ],
)
def test_a_failure_has_the_reason_that_its_own_process_gave(tmp_path: Path, said: str, code: int, reason: str) -> None:
    assert failure(tmp_path, said, code) == reason


def test_a_reason_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    said = f"spro: cannot write {tmp_path}{os.sep}runs/grpo-seed-0: full\n"
    assert failure(tmp_path, said, 1) == "exit code 1: cannot write runs/grpo-seed-0: full"
