"""A suite as a task of lm-eval; the real lm-eval runs it in ``tests/lm_eval``."""

import json
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from spro.cli import main
from spro.errors import ConfigError, RunFolderError
from spro.evaluate import export_command
from spro.verify import verify_math
from tests.eurus import code_row, math_row, write
from tests.models import save_model_folder
from tests.unit.evaluate.builders import write_math500


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def export(model: str | Path, suite: str, *words: str) -> int:
    return export_command(str(model), suite, ["rollout.max_response_length=24", *words, "out=task"])


def rows_of(folder: str = "task") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "problems.jsonl").read_text().splitlines()]


def test_the_folder_holds_task_problems_grader_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    model = save_model_folder(Path("model"), "qwen2", chat=True)
    data = write_math500(Path("math500.jsonl"), ["What is 1 - 1?", "How long is this? " * 60])
    assert export(model, "math500", f"path={data}", "verify.math.boxes=all_equal") == 0
    assert sorted(path.name for path in Path("task").iterdir()) == [
        "grade.py", "problems.jsonl", "run.sh", "spro_math500.yaml",
    ]  # fmt: skip
    (row,) = rows_of()
    assert row["system"] == ""
    assert row["prompt"].startswith("What is 1 - 1?\n\nPresent the answer in LaTex format")
    assert (row["ground_truth"], row["verifier"], row["problem_id"]) == ("0", "math", "test/0")
    text, _, last = Path("task/spro_math500.yaml").read_text().rstrip().rpartition("\n")
    assert last == "process_results: !function grade.process_results"
    task = yaml.safe_load(text)
    assert task["dataset_kwargs"]["data_files"]["test"] == str(Path("task/problems.jsonl").absolute())
    assert task["generation_kwargs"]["max_gen_toks"] == 24
    command = shlex.split(Path("task/run.sh").read_text())
    assert "--apply_chat_template" in command
    assert f"pretrained={model.absolute()},dtype=float32,add_bos_token=False" in command
    said = capsys.readouterr().out
    assert "1 problems in task; 1 are left out, whose prompts are too long; to ask them by lm-eval 0.4.13:" in said
    assert said.endswith(Path("task/run.sh").read_text())


def test_the_grader_grades_as_we_do() -> None:
    export("builtin:chain", "chain", "max_problems=2", "verify.math.boxes=all_equal")
    process = runpy.run_path("task/grade.py")["process_results"]
    row = rows_of()[0]
    assert process(row, [f"#{row['ground_truth']}"]) == {"correct": 1.0}
    assert process(row, ["none"]) == {"correct": 0.0}
    for response in (r"\boxed{0.5}", r"\boxed{2}, \boxed{1/2}"):
        score = verify_math(response, "0.5", boxes="all_equal").score
        assert process({"verifier": "math", "ground_truth": "0.5"}, [response]) == {"correct": score}


def test_messages_become_what_lm_eval_asks_with() -> None:
    data = write(Path("eurus.jsonl"), [math_row(1)])
    plain, chat = save_model_folder(Path("plain"), "qwen2"), save_model_folder(Path("chat"), "qwen2", chat=True)
    export(chat, "eurus", f"path={data}")
    (row,) = rows_of()
    system, user = (message["content"] for message in math_row(1)["prompt"])
    assert (row["system"], row["prompt"]) == (system, user)
    Path("task").rename("first")
    export(plain, "eurus", f"path={data}")
    (row,) = rows_of()
    assert (row["system"], row["prompt"]) == ("", f"{system}\n\n{user}")
    assert "--apply_chat_template" not in Path("task/run.sh").read_text()
    turns = math_row(1)
    turns["prompt"].append({"role": "assistant", "content": "Well,"})
    Path("task").rename("second")
    with pytest.raises(ConfigError, match="its messages are system, user, assistant, and lm-eval asks with one system"):
        export(chat, "eurus", f"path={write(Path('turns.jsonl'), [turns])}")


def test_what_lm_eval_cannot_do_is_refused_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    model = save_model_folder(Path("model"), "qwen2")
    data = write(Path("eurus.jsonl"), [math_row(1), code_row(2)])
    with pytest.raises(
        ConfigError, match=r"verifier 'code' \(codecontests 2\): lm-eval would run the model's programs"
    ):
        export(model, "eurus", f"path={data}")
    with pytest.raises(ConfigError, match="cannot export the suite 'calculator': lm-eval has no tools"):
        export("builtin:calculator", "calculator")
    for further in (["--resume"], ["--against", "a"]):
        assert main(["eval", "builtin:chain", "--suite", "chain", "out=task", "--export", "lm-eval", *further]) == 2
        assert "--export writes a task and asks nothing: leave out --resume and --against" in capsys.readouterr().err
    assert not Path("task").exists()
    Path("task").mkdir()
    with pytest.raises(RunFolderError, match="'task' exists already"):
        export("builtin:chain", "chain")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["verify.function.path=my.judge"], r"verify\.function 'my\.judge': the task grades by the verifiers of spro"),
        (["temperature=0.7"], r"samples=1 at temperature 0\.7: the task asks for one greedy answer a problem"),
        (["samples=8", "temperature=1.0", "greedy=false"], "samples=8 at temperature 1: .* leave out samples"),
    ],
)
def test_settings_that_a_task_would_ignore_are_refused(words: list[str], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        export("builtin:chain", "chain", *words)
    assert not Path("task").exists()
