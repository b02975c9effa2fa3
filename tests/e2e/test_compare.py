"""``spro compare`` as a user runs it: left alone, stopped, killed, and with a method that fails.

A process takes seconds before it does anything, so few are started: what need not be one runs in that of the tests.
"""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from spro.cli import main
from spro.lab.compare import rebuild_comparison
from tests.e2e.command import HANGS, spro
from tests.waiting import of_session, wait_for

RUN = {
    "task": {"train_problems": 64, "held_out_problems": 12},
    "train": {"steps": 4, "prompts_per_step": 4, "micro_batch_tokens": 512},
    "rollout": {"max_response_length": 24},
    "optimizer": {"learning_rate": 1e-3},
    # Every prompt that is drawn is trained on, and hence written.
    "filter": {"type": "none"},
    "evaluate": {"every": 2},
    "log": {"checkpoint_every": 1, "rollouts_every": 1},
}
SETTINGS = {
    "run": RUN,
    "methods": {"spro": {"credit.type": "spro"}, "grpo": {"credit.type": "grpo"}},
    "seeds": [0],
    "baseline": "grpo",
    "evaluate": {"samples": 2},
}
HOURS = {"tables/hours.csv", "tables/hours.md", "figures/figure4a.csv", "figures/figure4a.png", "comparison.html"}
"""What depends on the clock."""


def written(folder: Path, **settings: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, **settings}, sort_keys=False))
    return path


def results_of(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("tables/*"), *folder.glob("figures/*")]
    by_name = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
    return {name: content for name, content in by_name.items() if name not in HOURS}


def unclocked(folder: Path) -> dict[str, object]:
    by_name = {path.name: json.loads(path.read_text()) for path in folder.glob("summaries/*.json")}
    return {name: {key: value for key, value in one.items() if key != "hours"} for name, one in by_name.items()}


def scores_in(folder: Path) -> dict[str, list[list[object]]]:
    return {path.name: json.loads(path.read_text())["scores"] for path in folder.glob("summaries/*.json")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison that was left alone."""
    folder = tmp_path_factory.mktemp("whole")
    done = spro("compare", written(folder), "out=whole", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "whole/comparison.html\n"
    assert "2 runs of 4 steps" in done.stderr
    assert "(3 done, 0 to go)" in done.stderr
    return folder / "whole"


@pytest.mark.slow
def test_one_command_writes_tables_figures_and_page(whole: Path) -> None:
    rows = {row["method"]: row for row in csv.DictReader((whole / "tables/table1.csv").read_text().splitlines())}
    assert list(rows) == ["base model", "spro", "grpo"]
    for scores in scores_in(whole).values():
        assert len(scores) == 12
        assert all(source == "chain" and len(sampled) == 2 for _, source, sampled, _ in scores)
    names = {path.name for path in (whole / "figures").iterdir()}
    for figure in ("figure1", "figure4a", "figure4b", "accuracy-tokens", "accuracy-flops", "figure5a", "figure5b"):
        assert {f"{figure}.png", f"{figure}.csv"} <= names
    page = (whole / "comparison.html").read_text()
    assert "ended best" in page or "ended level" in page
    assert "http" not in page.replace("http-equiv", "")
    assert (whole / "runs/spro-seed-0/report.html").is_file()


def drawn(folder: Path, name: str) -> list[list[str]]:
    """The problem of each response, step by step."""
    files = sorted((folder / f"runs/{name}/rollouts").glob("step-*.jsonl"))
    return [[json.loads(line)["problem_id"] for line in path.read_text().splitlines()] for path in files]


def test_two_methods_of_one_seed_see_the_same_prompts_in_the_same_order(whole: Path) -> None:
    def state(label: str) -> dict[str, object]:
        path = whole / f"runs/{label}-seed-0/checkpoints/step-4/training/state.json"
        return dict(json.loads(path.read_text()))

    steps = drawn(whole, "spro-seed-0")
    assert steps == drawn(whole, "grpo-seed-0")
    assert [len(step) for step in steps] == [16, 16, 16, 16]
    for key in ("step", "cursor", "data"):
        assert state("spro")[key] == state("grpo")[key]


def test_the_page_is_written_anew_from_the_summaries_alone(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "summaries").mkdir()
    for path in (whole / "compare.yaml", *whole.glob("summaries/*.json")):
        (tmp_path / path.relative_to(whole)).write_bytes(path.read_bytes())
    assert rebuild_comparison(tmp_path) == tmp_path / "comparison.html"
    assert results_of(tmp_path) == results_of(whole)
    for name in HOURS:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def test_no_torch_is_needed_for_that(whole: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from spro.lab.compare import rebuild_comparison; "
        f"rebuild_comparison(Path({str(whole)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=HANGS).returncode == 0


def resumed(whole: Path, folder: Path, **settings: object) -> tuple[Path, Path]:
    """A copy of a comparison in a folder, and a config that goes on with it in other ways."""
    shutil.copytree(whole, folder / "whole")
    return folder / "whole", written(folder, **settings)


@pytest.mark.slow
def test_a_seed_more_is_of_other_prompts_and_the_same_final_problems(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, config = resumed(whole, tmp_path, methods={"spro": {"credit.type": "spro"}}, baseline="spro")
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (*folder.glob("runs/*/*"), *folder.glob("summaries/*"))}
    assert main(["compare", str(config), "--resume", "out=whole", "seeds=[0,1]"]) == 0
    said = capsys.readouterr().err
    # What is done is not done again.
    assert "2 of 3 summaries are there already" in said
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert drawn(folder, "spro-seed-0") != drawn(folder, "spro-seed-1")
    scores = scores_in(folder)
    assert {"base.json", "spro-seed-0.json", "spro-seed-1.json"} <= set(scores)
    assert len({tuple(row[0] for row in rows) for rows in scores.values()}) == 1
    rows = {row["run"]: row for row in csv.DictReader((folder / "tables/runs.csv").read_text().splitlines())}
    assert {row["state"] for row in rows.values()} == {"finished"}
    assert list(rows) == ["spro-seed-0", "spro-seed-1"]


def test_a_comparison_goes_on_as_it_was_begun_or_not_at_all(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(whole.parent)

    def refused(*words: str) -> str:
        assert main(["compare", str(whole / "compare.yaml"), *words]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "exists already: go on with it by --resume" in refused("out=whole")
    assert "cannot go on: run is not what" in refused("--resume", "run.train.steps=5")
    assert "cannot go on: methods.spro is" in refused("--resume", "methods.spro.credit.beta=0.1")


ENDLESS = """
import sys
from pathlib import Path
from spro.cli import main
from spro.lab.compare.processes import Job, Kind
from spro.lab.compare.schedule import Schedule

jobs = Schedule.jobs
asleep = Job("asleep", Kind.TRAIN, ("-c", "import time; time.sleep(1e6)"), Path("asleep.log"))
Schedule.jobs = lambda schedule: [*jobs(schedule), asleep]
sys.exit(main(sys.argv[1:]))
"""
"""``spro`` with a last process in each comparison that has no end, so that none is over before its blow."""


class Life:
    """A comparison in a session of its own."""

    def __init__(self, folder: Path, jobs: int) -> None:
        words = ["compare", str(written(folder)), "out=whole", f"jobs={jobs}", "--resume"]
        self.said = folder / "said"
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ENDLESS, *words],
                cwd=folder,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def has_begun(self) -> bool:
        """Its first line comes when signals no longer end it at once; a library may have complained before."""
        return b" runs of 4 steps, " in self.said.read_bytes()

    def end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        code = self.process.wait(HANGS)
        # Its children hold the lock; they are killed with it, and yet one may be slow to go.
        wait_for(lambda: not of_session(self.process.pid), HANGS)
        return code


@contextmanager
def living(folder: Path, jobs: int) -> Iterator[Life]:
    life = Life(folder, jobs)
    try:
        yield life
    finally:
        life.end(signal.SIGKILL)


def count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(f"whole/{pattern}"))


MOMENTS: Sequence[tuple[int, str, int, signal.Signals]] = (
    (2, "configs/*", 3, signal.SIGKILL),
    (2, "runs/*/checkpoints/step-*", 1, signal.SIGTERM),
    (1, "summaries/*-seed-*.json", 1, signal.SIGINT),
    (1, "runs/*/checkpoints/step-4", 2, signal.SIGKILL),
)
"""Processes at a time, what is seen in the folder, and how often; a blow follows after a moment drawn by chance. After
each a process at least has still to begin, unless this one was held up meanwhile."""


def check_one_process_a_folder(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(config), "out=whole", "--resume"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "another process compares in 'whole'" in error


@pytest.mark.slow
def test_killed_and_stopped_at_random_moments_it_comes_to_the_same_tables(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dice, blows = random.Random(0), []
    for number, (jobs, pattern, wanted, blow) in enumerate(MOMENTS):
        with living(tmp_path, jobs) as life:
            # What is to be seen may be there from the life before.
            wait_for(
                lambda life=life, pattern=pattern, wanted=wanted: (
                    life.process.poll() is not None or (life.has_begun() and count(tmp_path, pattern) >= wanted)
                ),
                HANGS,
            )
            if number == 0:
                check_one_process_a_folder(written(tmp_path), capsys)
            time.sleep(dice.uniform(0, 0.8))
            blows.append((blow, life.end(blow)))
    assert blows == [(blow, 128 + blow if blow != signal.SIGKILL else -blow) for *_, blow in MOMENTS]
    assert not (tmp_path / "whole/comparison.html").exists()
    assert main(["compare", str(written(tmp_path)), "out=whole", "--resume"]) == 0
    assert unclocked(tmp_path / "whole") == unclocked(whole)
    assert results_of(tmp_path / "whole") == results_of(whole)


@pytest.mark.slow
def test_a_method_that_fails_is_told_and_is_no_zero(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {"optimizer.learning_rate": 1e30, "train.max_skipped_updates": 0}
    folder, config = resumed(whole, tmp_path, methods={"grpo": {"credit.type": "grpo"}, "broken": broken})
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(config), "out=whole", "--resume"]) == 1
    assert "broken-seed-0: failed, exit code 1: " in capsys.readouterr().err
    rows = {row["method"]: row for row in csv.DictReader((folder / "tables/table1.csv").read_text().splitlines())}
    assert rows["broken"]["Avg."] == ""
    assert rows["grpo"]["Avg."] != ""
    assert "| broken | 0 of 1 | - | failed |" in (folder / "tables/table1.md").read_text()
    assert "Without a result: broken with seed 0" in (folder / "comparison.html").read_text()
    assert str(tmp_path) not in (folder / "summaries/broken-seed-0.json").read_text()


MISTAKES = {
    "methods.spro.credit.typ=spro": "unknown key 'credit.typ'",
    "methods.spro.credit.type=sprro": "methods.spro: credit.type is 'sprro'; did you mean 'spro'?",
    "methods.spro.credit.beta=-1": "methods.spro: ",
    "methods.spro.train.steps=3": "methods.spro sets train.steps, which all methods share",
    "methods.spro.task.held_out_problems=3": "methods.spro sets task, which all methods share",
    "methods.spro.verify.math.boxes=all_equal": "methods.spro sets verify, which all methods share",
    "methods.spro.rollout.temperature=0.5": "methods.spro sets rollout.temperature, which all methods share",
    "methods.spro.seed=3": "methods.spro sets seed, which all methods share",
    "methods.<b>.loss.type=ppo": "the label '<b>' names a folder",
    "methods.base.loss.type=ppo": "the label 'base' is taken",
    "seeds=[0, 0]": "a seed stands twice in [0, 0]",
    "seeds=[]": "seeds is []",
    "baseline=grop": "baseline is 'grop', and no method is; did you mean 'grpo'?",
    "evaluate.sample=3": "unknown key 'evaluate.sample'; did you mean 'samples'?",
    "jbos=3": "unknown key 'jbos'; did you mean 'jobs'?",
    "run.trian.steps=3": "run: unknown key 'trian'; did you mean 'train'?",
    "run.seed=1": "run sets seed, which the comparison gives to each run",
    "run.task.held_out_problems=0": "run holds no problems out",
    "run.evaluate.every=0": "run.evaluate.every is 0",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_a_mistake_is_one_line_before_anything_runs(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(config), word, "out=whole"]) == 2
    error = capsys.readouterr().err
    assert MISTAKES[word] in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [config]
