"""Model folders and data files of a user, through the command line; and everything that can be wrong with them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests import eurus
from tests.e2e.command import HANGS, SMALL, await_steps, spro
from tests.models import save_model_folder
from tests.waiting import of_session, wait_for


def train(cwd: Path, *words: str) -> tuple[int, str]:
    first = ("task.type=eurus", "task.path=train.parquet", "model.path=model", "run_dir=run")
    done = spro("train", *first, *SMALL, *words, cwd=cwd)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("family", "chat", "suffix"), [("qwen2", True, "parquet"), ("llama", False, "jsonl")])
def test_three_steps_on_eurus_rows(tmp_path: Path, family: str, chat: bool, suffix: str) -> None:
    save_model_folder(tmp_path / "model", family, chat)
    items = eurus.rows(math=56, code=8)
    items[7]["reward_model"]["ground_truth"] = None
    eurus.write(tmp_path / f"train.{suffix}", items)
    words = (f"task.path=train.{suffix}", "task.held_out_problems=6", "rollout.max_prompt_length=256")
    code, said = train(tmp_path, *words)
    assert code == 0, said
    assert f"63 problems; 1 skipped: no ground truth (first: train.{suffix} row 8); 6 of them held out" in said
    assert "sandbox: bubblewrap works here" in said

    folder = tmp_path / "run" / "checkpoints" / "step-3"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    start = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    moved = [not torch.equal(a, b) for a, b in zip(model.parameters(), start.parameters(), strict=True)]
    assert all(moved)
    inputs = tokenizer("What is 1 + 2?", return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    assert written.shape[1] > inputs["input_ids"].shape[1]

    samples = [json.loads(line) for line in (tmp_path / "run/rollouts/step-000001.jsonl").read_text().splitlines()]
    assert {sample["verdict"]["status"] for sample in samples} <= {"no_answer", "wrong", "correct"}
    assert ("<|im_start|>" in samples[0]["prompt"]) == chat


def missing_model(folder: Path) -> None:
    (folder / "model").rename(folder / "elsewhere")


def empty_data(folder: Path) -> None:
    eurus.write(folder / "train.jsonl", [])


def broken_row(folder: Path) -> None:
    (folder / "train.jsonl").write_text(json.dumps(eurus.math_row(0)) + "\n{oops\n")


def only_code(folder: Path) -> None:
    eurus.write(folder / "train.jsonl", eurus.rows(math=0, code=4))


def broken_tests(folder: Path) -> None:
    items = eurus.rows(math=0, code=2)
    for item, tests in zip(items, ("{oops", '{"inputs": ["1"], "outputs": []}'), strict=True):
        item["reward_model"]["ground_truth"] = tests
    eurus.write(folder / "train.jsonl", items)


def nothing(folder: Path) -> None:
    pass


TWO = ["train.prompts_per_step=2"]
"""For four problems and twofold oversampling."""


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (missing_model, [], "there is no model folder './model'"),
        (empty_data, [], "'train.jsonl' gives no usable problem: 0 problems"),
        (broken_row, [], "train.jsonl row 2 is not JSON"),
        (
            broken_tests,
            [],
            "0 problems; 2 skipped: nothing can be graded (first: train.jsonl row 1: the tests are no JSON",
        ),
        (only_code, ["verify.code.sandbox=none", *TWO], "it needs --i-understand-unsafe-code-execution"),
        (only_code, ["verify.code.sandbox=chroot"], "verify.code.sandbox is 'chroot': input should be 'auto'"),
        (nothing, ["verify.function.path=no_such.thing", *TWO], "'no_such.thing' cannot be used: ModuleNotFoundError"),
        (
            nothing,
            ["reward.functions=[{path: os.getcwd.x}]", *TWO],
            "'os.getcwd.x' cannot be used: ModuleNotFoundError",
        ),
        (
            nothing,
            ["reward.functions=[{path: json.dumps, columns: {obj: level}}]"],
            "train.jsonl row 1 has no field 'level'; a reward function wants it",
        ),
        (nothing, ["rollout.group_size=1"], "rollout.group_size is 1: input should be greater than or equal to 2"),
        (nothing, ["rollout.groupsize=4"], "unknown key 'rollout.groupsize'; did you mean 'group_size'?"),
        (
            nothing,
            ["rollout.max_prompt_length=10"],
            "no problem is left to train on: 0 problems; 4 skipped: prompt long",
        ),
        (nothing, ["rollout.max_response_length=4000"], "rollout.max_response_length is 4000"),
        (nothing, ["task.path=absent.parquet"], "no file or folder 'absent.parquet'"),
        (nothing, ["task.held_out_problems=4"], "task.held_out_problems is 4"),
        (nothing, ["train.prompts_per_step=99999999999"], "a step rolls out 199999999998 prompts"),
        (nothing, ["model.device=tpu"], "model.device is 'tpu'"),
        (nothing, ["credit.bta=1"], "unknown key 'credit.bta' for the method 'spro'; did you mean 'beta'?"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(
    tmp_path: Path, spoil: Callable[[Path], None], words: list[str], message: str
) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    eurus.write(tmp_path / "train.jsonl", eurus.rows(math=4, code=0))
    spoil(tmp_path)
    code, said = train(tmp_path, "model.path=./model", "task.path=train.jsonl", *words)
    # A busy machine makes pyarrow's allocator complain as it is loaded.
    lines = [line for line in said.splitlines() if not line.startswith("<jemalloc>")]
    assert (code, len(lines)) == (2, 1), said
    assert message in said
    assert not (tmp_path / "run").exists()


def test_long_prompts_are_counted_and_skipped(tmp_path: Path) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    items = eurus.rows(math=9, code=0)
    items[3]["prompt"][1]["content"] *= 20
    eurus.write(tmp_path / "train.jsonl", items)
    code, said = train(tmp_path, "task.path=train.jsonl", "rollout.max_prompt_length=250", "train.steps=1")
    assert code == 0, said
    assert "8 problems; 1 skipped: prompt longer than 250 tokens (first: train.jsonl row 4)" in said


OWN_REWARDS = """
import json

def spy(prompts, completions, completion_ids, ground_truth, source, score, **columns):
    with open("seen.jsonl", "a") as file:
        file.write(json.dumps([prompts[0][-1]["content"], ground_truth[0], source[0], score[0]]) + "\\n")
    return [len(token_ids) / 100 for token_ids in completion_ids]

def verdict(completions, **columns):
    return [1.0 if "1" in completion[0]["content"] else 0.0 for completion in completions]

def broken(completions, **columns):
    raise RuntimeError("my service is down")
"""


def test_reward_functions_of_a_users_own(tmp_path: Path) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    eurus.write(tmp_path / "train.jsonl", eurus.rows(math=8, code=0))
    (tmp_path / "own.py").write_text(OWN_REWARDS)
    code, said = train(
        tmp_path, "task.path=train.jsonl", "train.steps=2", "verify.function.path=own.verdict",
        "reward.functions=[{path: own.spy, weight: 0.5, columns: {source: data_source}}]",
    )  # fmt: skip
    assert code == 0, said
    assert "reward function own.verdict" in said
    seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert len(seen) == 2, "one call a step"
    question, gold, source, score = seen[0]
    assert question.startswith("What is")
    assert gold == str(sum(int(word.strip("?")) for word in question.split("\n")[0].split()[2::2]))
    assert (source, score in (0.0, 1.0)) == ("numina_synthetic_math", True)


def test_a_reward_function_that_is_down_stops_the_run_with_its_reason(tmp_path: Path) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    eurus.write(tmp_path / "train.jsonl", eurus.rows(math=8, code=0))
    (tmp_path / "own.py").write_text(OWN_REWARDS)
    code, said = train(tmp_path, "task.path=train.jsonl", "reward.functions=[{path: own.broken}]")
    assert code == 1, said
    assert "100% of the responses could not be graded" in said
    assert "my service is down" in said


def test_programs_without_a_sandbox_only_by_the_flag(tmp_path: Path) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    eurus.write(tmp_path / "train.jsonl", eurus.rows(math=0, code=4))
    words = ("task.path=train.jsonl", "train.steps=1", "verify.code.sandbox=none", *TWO)
    code, said = train(tmp_path, *words, "--i-understand-unsafe-code-execution")
    assert code == 0, said
    assert "programs can do whatever you can do" in said


LATE_NAN = """
calls = 0

def reward(completions, **columns):
    global calls
    calls += 1
    return [float("nan") if calls == 3 else 0.5] * len(completions)
"""


def test_nonsense_from_a_reward_function_costs_no_finished_step(tmp_path: Path) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    eurus.write(tmp_path / "train.jsonl", eurus.rows(math=8, code=0))
    (tmp_path / "own.py").write_text(LATE_NAN)
    code, said = train(tmp_path, "task.path=train.jsonl", "train.steps=9", "reward.functions=[{path: own.reward}]")
    assert code == 2, said
    assert "'own.reward' returned nan for completion 0" in said
    assert (tmp_path / "run/checkpoints/step-2/manifest.json").is_file()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_leaves_no_process_of_the_verifiers_behind(tmp_path: Path, signals: int) -> None:
    save_model_folder(tmp_path / "model", "qwen2")
    eurus.write(tmp_path / "train.jsonl", eurus.rows(math=8, code=0))
    (tmp_path / "own.py").write_text(OWN_REWARDS)
    words = ["task.type=eurus", "task.path=train.jsonl", "model.path=model", "run_dir=run", *SMALL, "train.steps=9999"]
    with subprocess.Popen(
        [sys.executable, "-m", "spro.cli", "train", *words, "verify.function.path=own.verdict"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            await_steps(process, tmp_path / "run")
            # Or this test shows nothing.
            wait_for(lambda: len(of_session(process.pid)) > 1)
            assert process.stderr is not None
            process.send_signal(signal.SIGTERM)
            if signals == 2:
                assert any("once more to stop at once" in line for line in process.stderr)
                process.send_signal(signal.SIGTERM)
            # The second may come when all is over.
            assert process.wait(HANGS) in ({143} if signals == 1 else {143, -signal.SIGTERM})
        finally:
            process.kill()
    wait_for(lambda: not of_session(process.pid))
