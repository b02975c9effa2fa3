"""``spro oracle`` as a user runs it."""

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from spro.cli import main
from spro.credit import METHODS
from spro.lab.oracle import study
from spro.lab.oracle.drift import Training
from tests.e2e.command import HANGS, spro

QUICK = ("prompts=2", "groups=4", "batches=20", "vine_samples=2", "length=3", "lengths=", "drifts=", "drift=0.2")


def test_one_command_prints_the_table_and_draws_the_plot(tmp_path: Path) -> None:
    done = spro("oracle", *QUICK, "group_sizes=2", "out=truth", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(re.search(rf"^ +{name} +\S", done.stdout, re.MULTILINE) for name in METHODS)
    assert done.stdout.endswith("truth/oracle.html\n")

    rows = [json.loads(line) for line in (tmp_path / "truth/scores.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * len(METHODS)
    assert {row["method"] for row in rows if row["base"]} == set(METHODS)
    assert {"correlation", "correlation_se", "bias_floor", "measured_drift"} <= set(rows[0])
    assert yaml.safe_load((tmp_path / "truth/config.yaml").read_text())["group_sizes"] == [2]
    page = (tmp_path / "truth/oracle.html").read_text()
    assert page.count("<svg") == 12
    assert "http" not in page.replace("http-equiv", "")

    again = spro("oracle", *QUICK, "out=truth", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr == "spro: 'truth' exists already: choose another folder with out=FOLDER\n"


def test_a_misspelt_setting_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    done = spro("oracle", "metods=spro", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "spro: unknown key 'metods'; did you mean 'methods'?\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    words = ("oracle", *QUICK[:2], "batches=1000000", "methods=rloo", "out=above/truth")
    command = [sys.executable, "-m", "spro.cli", *words]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("scoring")
            process.send_signal(number)
            assert process.wait(timeout=HANGS) == 128 + number
        finally:
            process.kill()
    assert not list(tmp_path.iterdir())


def test_a_drift_that_cannot_be_reached_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(*arguments: object) -> Training:
        return replace(Training(*arguments), max_steps=2)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "Training", short)
    words = ["oracle", *QUICK, "drifts=0", "drift=20", "group_sizes=", "methods=rloo", "out=truth"]
    assert main(words) == 1
    assert "cannot reach 20" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

    assert main([*words, "drift=0.01", "learning_rate=50", "drifts="]) == 0
    assert sorted(path.name for path in (tmp_path / "truth").iterdir()) == [
        "config.yaml",
        "figures",
        "oracle.html",
        "scores.jsonl",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["truth"]
