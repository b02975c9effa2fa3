"""``spro launch verl``; for verl stands a module that says how it was called."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spro.cli import main
from spro.plugins.launch.command import check_run_dir
from tests import eurus
from tests.e2e.command import spro

CONFIG = "model: {path: owner/model}\ntask: {type: eurus, path: rows.parquet}\ntrain: {prompts_per_step: 4, steps: 2}\n"
STAND_IN = "import json, sys\nprint('called', json.dumps(sys.argv[1:]))\nraise SystemExit(7)\n"
NAME = "it's a 'run'"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run.yaml").write_text(CONFIG)
    eurus.write(tmp_path / "rows.parquet", eurus.rows(12, 1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A verl that does nothing, and what an installation of spro says of the plug-in."""
    place = folder / "host"
    (place / "verl/trainer").mkdir(parents=True)
    for name in ("verl/__init__.py", "verl/trainer/__init__.py", "ray.py", "transfer_queue.py"):
        (place / name).touch()
    (place / "verl/trainer/main_ppo.py").write_text(STAND_IN)
    metadata = place / "stand_in-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[verl.plugins]\nspro = spro.plugins.verl\n")
    monkeypatch.syspath_prepend(place)
    return place


def called(text: str) -> list[str]:
    """What the stand-in was given."""
    words = json.loads(text.partition("called ")[2])
    assert all(isinstance(word, str) for word in words)
    return list(words)


def test_a_dry_run_prints_a_command_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    words = ("watch.fall=0.25", "--dry-run", "run_dir=here it is", "--", "trainer.nnodes=4", "+a.b=[1, 2]")
    assert main(["launch", "verl", "run.yaml", *words]) == 0
    printed = capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before
    comments, command = printed.split("python -m verl.trainer.main_ppo", 1)
    missing, *lines = comments.splitlines()
    assert missing == f"# no data are written to {folder}/here it is/verl: add --write-data"
    assert lines[0] == "# stays behind: watch.fall=0.25: verl has nothing to do with it"
    assert all(line.startswith(("# stays behind: ", "# differs: ")) for line in lines)
    assert command.count("\n") == command.count(" \\\n") + 1
    given = shlex.split(command.replace("\\\n", " "))
    assert given[-2:] == ["trainer.nnodes=4", "+a.b=[1, 2]"]
    assert f'data.train_files="{folder}/here it is/verl/train.parquet"' in given
    assert "data.train_batch_size=4" in given


def test_a_dry_run_may_write_the_data_that_its_command_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "verl", "run.yaml", "run_dir=new", "--dry-run", "--write-data"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# 13 problems; 0 of them held out")
    assert f"data.train_files={folder}/new/verl/train.parquet" in printed
    assert (folder / "new/verl/train.parquet").is_file()


def test_what_is_printed_runs_by_copy_and_paste(folder: Path, host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["launch", "verl", "run.yaml", f"run_dir={NAME}", "watch.fall=0.25", "--dry-run", "--", "x=$y z"])
    printed = capsys.readouterr().out
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(host)}
    done = subprocess.run(["bash", "-c", printed], env=environment, capture_output=True, text=True)
    assert done.returncode == 7
    assert f'data.train_files="{folder}/{NAME}/verl/train.parquet"' in called(done.stdout)
    assert called(done.stdout)[-1] == "x=$y z"


def test_a_run_writes_the_data_and_becomes_verl(folder: Path, host: Path) -> None:
    words = ("run_dir=out", "task.held_out_problems=3", "--", "trainer.nnodes=4")
    done = spro("launch", "verl", "run.yaml", *words, cwd=folder, PYTHONPATH=str(host))
    assert done.returncode == 7, done.stderr
    assert sorted(path.name for path in (folder / "out/verl").iterdir()) == ["held_out.parquet", "train.parquet"]
    assert done.stdout.startswith(f"# 13 problems; 3 of them held out; folder {folder}/out\n")
    assert "python -m verl.trainer.main_ppo \\\n" in done.stdout
    given = called(done.stdout)
    assert "trainer.test_freq=10" in given
    assert given[-1] == "trainer.nnodes=4"
    # Where it was ended it goes on.
    check_run_dir(folder / "out")


def test_a_folder_of_something_else_is_left_alone(folder: Path, host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    assert main(["launch", "verl", "run.yaml", "run_dir=out"]) == 2
    told = capsys.readouterr().err
    assert told == f"spro: run_dir '{folder}/out' is there and holds no run of verl: choose another\n"
    assert not list((folder / "out").iterdir())


def test_without_a_name_the_next_free_folder_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "runs/eurus-spro-001").mkdir(parents=True)
    assert main(["launch", "verl", "run.yaml", "--dry-run"]) == 0
    assert f"{folder}/runs/eurus-spro-002/verl/train.parquet" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["verl", "transfer_queue"])
def test_without_verl_a_run_says_what_to_install(
    folder: Path, host: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = host / name
    where.rename(folder / "gone") if where.is_dir() else (host / f"{name}.py").unlink()
    assert main(["launch", "verl", "run.yaml"]) == 2
    assert capsys.readouterr() == (
        "",
        f"spro: verl cannot run here, there is no module {name!r}: pip install 'spro[verl]', or look with --dry-run\n",
    )
    assert not (folder / "runs").exists()


def test_without_the_plug_in_nothing_is_begun(
    folder: Path, host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "none")
    assert main(["launch", "verl", "run.yaml"]) == 2
    told = capsys.readouterr().err
    assert told == "spro: VERL_USE_EXTERNAL_PLUGINS is 'none', which leaves spro's plug-in out: unset it\n"
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("foo", "run.yaml"), "argument host: invalid choice: 'foo' (choose from"),
        (("verl", "run.yaml", "--dry-runn"), "unrecognized arguments: --dry-runn"),
        (("verl", "none.yaml", "--dry-run"), "spro: cannot read the config 'none.yaml'"),
        (("verl", "run.yaml", "train.stepz=1", "--dry-run"), "unknown key 'train.stepz'; did you mean 'steps'?"),
        (("verl", "run.yaml", "credit.type=prime", "--dry-run"), "spro: credit.type is 'prime', which needs"),
        (("verl", "--dry-run"), "spro: task.type is 'chain', and a lab task"),
    ],
)
def test_a_mistake_is_a_users_error(
    folder: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("launch", *words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err


def test_other_commands_know_no_words_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("doctor", "--", "trainer.nnodes=4") == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def exit_code(*words: str) -> object:
    """argparse leaves by an exception."""
    try:
        return main(words)
    except SystemExit as error:
        return error.code
