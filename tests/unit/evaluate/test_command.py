"""``spro eval`` on the embedded model and on tiny random ones: what it writes, says and refuses."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml

from spro import __version__
from spro.cli import main
from spro.errors import ConfigError, DataError, ModelError, RunFolderError, UserError, WorkerError
from spro.evaluate import ProblemResult, evaluate_command, evaluate_prompts, show_command
from spro.evaluate.config import EvalConfig
from spro.evaluate.settle import as_run
from spro.models import load_policy
from spro.rollout import EmbeddedEngine, Sampling
from spro.tasks import encode_prompts, load_suite
from spro.train.grading import Grading
from spro.verify import Status, verify_chain
from tests.models import save_model_folder
from tests.unit.evaluate.builders import lines_of, write_math500
from tests.unit.train.builders import make_judge

HERE = "tests.unit.evaluate.test_command"
SMALL = ("max_problems=20", "problems_at_once=8")
QUESTIONS = ("What is 1 - 1?", "What is 2 - 1?", "What is 1 + 1?")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def on_chain(*words: str, model: str = "builtin:chain", **further: Any) -> int:
    return evaluate_command(model, "chain", [*SMALL, *words], **further)


def result_of(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "result.json").read_text())
    return found


def some_grades(completions: Sequence[Any], problem_id: Sequence[str], **columns: Any) -> list[float | None]:
    """Fails on every fourth problem."""
    return [None if sum(map(ord, name)) % 4 == 0 else 1.0 for name in problem_id]


def no_grades(completions: Sequence[Any], **columns: Any) -> list[float | None]:
    raise ConnectionError("the judge is away")


def test_the_folder_holds_settings_samples_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_chain("samples=4", "temperature=1.0", "out=a") == 0
    lines, result = lines_of(Path("a")), result_of("a")
    assert [(line["kind"], line["number"]) for line in lines[:5]] == [
        ("greedy", 0), ("sampled", 0), ("sampled", 1), ("sampled", 2), ("sampled", 3),
    ]  # fmt: skip
    problems, _ = load_suite("chain", None, lambda *_: "", 20)
    assert [line["problem_id"] for line in lines[::5]] == [problem.problem_id for problem in problems]
    truths = {problem.problem_id: problem.ground_truth for problem in problems}
    for line in lines:
        verdict = verify_chain(str(line["response"]), truths[str(line["problem_id"])])
        assert (line["score"], line["status"], line["extracted"]) == (verdict.score, verdict.status, verdict.extracted)
    seeds = [line["seed"] for line in lines]
    assert len(set(seeds)) == 3, "one a chunk"
    assert seeds[:40] == [seeds[0]] * 40
    scores = [[float(line["score"]) for line in lines[i + 1 : i + 5]] for i in range(0, 100, 5)]  # type: ignore[arg-type]
    metrics = result["columns"]["Chain"]["metrics"]
    assert metrics["avg@4"]["value"] == pytest.approx(fmean(map(fmean, scores)))
    assert metrics["pass@4"]["value"] == pytest.approx(fmean(float(any(row)) for row in scores))
    assert metrics["greedy pass@1"]["value"] == fmean(float(line["score"]) for line in lines[::5])  # type: ignore[arg-type]
    assert result["all"] == result["columns"]["Chain"]
    assert result["versions"]["spro"] == __version__
    assert (result["template"], result["extraction"]) == ("none", "last")
    assert result["asked"]["max_response_length"] == 192, "three quarters of the model's 256 positions"
    settings = yaml.safe_load(Path("a/config.yaml").read_text())
    assert EvalConfig.model_validate(settings).samples == 4
    said = capsys.readouterr()
    row = next(line for line in said.out.splitlines() if line.strip().startswith("Chain "))
    assert re.search(r"20 +\d+\.\d \[\d+\.\d, \d+\.\d\] +\d+\.\d \[", row), row
    assert "pass@1 " not in said.out.replace("greedy pass@1", ""), "it is avg@4 here"
    assert "problem 20/20" in said.err


def test_the_numbers_do_not_depend_on_when_they_are_made() -> None:
    for out in ("out=a", "out=b"):
        assert on_chain("samples=2", "temperature=1.0", out) == 0
    assert on_chain("samples=2", "temperature=1.0", "out=c", "seed=1") == 0
    one, same, another = (Path(name, "samples.jsonl").read_bytes() for name in "abc")
    assert one == same
    assert one != another
    assert Path("a/result.json").read_bytes() == Path("b/result.json").read_bytes()


def test_without_out_the_folder_is_the_next_free_number() -> None:
    for number in (1, 2):
        assert on_chain("max_problems=2") == 0
        assert Path(f"evals/builtin-chain-chain-00{number}/result.json").is_file()


def test_the_core_says_the_same_as_the_command() -> None:
    on_chain("out=a", "problems_at_once=20")
    policy = load_policy("builtin:chain", "cpu")
    problems, report = load_suite("chain", None, lambda *_: "", 20)
    prompts = encode_prompts(policy.tokenizer, problems, 64, report)
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 256)
    results = evaluate_prompts(engine, make_judge(policy.tokenizer), prompts, Sampling(1, 192, 0.0), seed=5)
    lines = lines_of(Path("a"))
    assert [one.problem_id for one in results] == [line["problem_id"] for line in lines]
    assert [one.scores for one in results] == [(line["score"],) for line in lines]
    assert [one.correct for one in results] == [(line["status"] == "correct",) for line in lines]
    assert [one.lengths for one in results] == [(line["tokens"],) for line in lines]
    assert {one.data_source for one in results} == {"chain"}
    assert {status for one in results for status in one.statuses} <= {*Status}


@pytest.mark.parametrize("chat", [True, False])
def test_a_suite_of_a_file_on_a_model_folder(chat: bool) -> None:
    folder = save_model_folder(Path("model"), "qwen2", chat)
    questions = [*QUESTIONS, "How long is this? " * 60]
    write_math500(Path("math500.jsonl"), questions)
    words = ["path=math500.jsonl", "rollout.max_response_length=24", "out=a"]
    assert evaluate_command(str(folder), "math500", words) == 0
    lines, result = lines_of(Path("a")), result_of("a")
    assert [line["problem_id"] for line in lines] == ["test/0", "test/1", "test/2"]
    assert {line["status"] for line in lines} <= {"no_answer", "wrong"}
    assert result["asked"]["too_long"] == ["test/3"]
    assert result["asked"]["max_prompt_length"] == 512 - 24
    assert result["all"]["problems"] == 3
    assert (result["template"] == "none") is not chat
    assert result["all"]["cut_share"] == fmean(line["finish_reason"] == "length" for line in lines)


def test_prompts_that_do_not_fit_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_model_folder(Path("model"), "qwen2")
    write_math500(Path("data.jsonl"), [*QUESTIONS, "How long is this? " * 60])
    assert evaluate_command(str(folder), "math500", ["path=data.jsonl", "rollout.max_response_length=8", "out=a"]) == 0
    said = capsys.readouterr()
    assert "1 of 4 problems are not asked, and count in no share: their prompts have more than 504 tokens" in said.err
    assert "not asked, and in no share: 1 problems whose prompts have more than 504 tokens" in said.out
    write_math500(Path("data.jsonl"), ["How long is this? " * 60])
    with pytest.raises(DataError, match="none of the 1 prompts fits: the model has 512 positions"):
        evaluate_command(str(folder), "math500", ["path=data.jsonl", "out=b"])
    assert not Path("b").exists()


def test_answers_that_could_not_be_graded_are_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_chain("out=a", f"verify.function.path={HERE}.some_grades") == 0
    lines, column = lines_of(Path("a")), result_of("a")["columns"]["Chain"]
    lost = [line["problem_id"] for line in lines if line["score"] is None]
    assert 0 < len(lost) < 10
    assert column["statuses"] == {"greedy": {"correct": 20 - len(lost), "unscored": len(lost)}}
    assert column["unscored"] == len(lost)
    assert column["without_score"] == lost
    assert column["metrics"]["greedy pass@1"]["value"] == 1.0, "and never 0"
    assert column["metrics"]["greedy pass@1"]["n"] == 20 - len(lost)
    said = capsys.readouterr().out
    assert f"{len(lost)} problems have no answer that could be graded, and count in no share: {lost[0]}" in said
    assert f"(n={20 - len(lost)})" in said


def test_a_verifier_that_is_away_stops_the_evaluation_which_goes_on_later() -> None:
    away = f"verify.function.path={HERE}.no_grades"
    with pytest.raises(WorkerError, match=r"8 of 8 answers could not be graded, .*judge is away.* go on with --resume"):
        on_chain("out=a", away)
    assert lines_of(Path("a")) == []
    assert not Path("a/result.json").exists()
    assert on_chain("out=a", away, "verify.max_unscored_share=1", resume=True) == 0
    result = result_of("a")
    assert result["all"]["metrics"] == result["average"] == {}
    assert result["all"]["unscored"] == 20


def test_two_evaluations_are_compared_on_the_problems_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_chain("out=a") == 0
    assert on_chain("out=b", "max_problems=12", against=Path("a")) == 0
    told = json.loads(Path("b/against-a.json").read_text())
    assert told["left_out"] == {"greedy pass@1": 8}
    assert told["differences"]["greedy pass@1"]["Chain"]["value"] == 0.0
    assert "8 problems are left out" in capsys.readouterr().out
    assert main(["eval", "a", "--against", "b"]) == 0, "a finished evaluation in the place of a model"
    said = capsys.readouterr().out
    assert "builtin:chain on Chain arithmetic" in said
    assert "greedy pass@1: a minus b" in said
    with pytest.raises(DataError, match="'nowhere' is no folder of an evaluation"):
        on_chain("out=c", against=Path("nowhere"))
    assert not Path("c").exists()


LEVEL = f"verify.function={{path: {HERE}.no_grades, columns: {{x: level}}}}"
WRONG: list[tuple[str, str | None, list[str], type[UserError], str]] = [
    ("builtin:chain", "chian", [], ConfigError, "unknown suite 'chian'; did you mean 'chain'?"),
    ("builtin:chain", None, [], ConfigError, r"which suite\? add --suite NAME; known: amc, "),
    ("builtin:chain", "chain", ["samples=4"], ConfigError, r"samples is 4 and temperature 0, .* add temperature=1\.0"),
    ("builtin:chain", "chain", ["greedy=false"], ConfigError, "greedy is false and temperature 0"),
    ("builtin:chain", "chain", ["sampels=4"], ConfigError, "unknown key 'sampels'; did you mean 'samples'?"),
    ("builtin:chain", "chain", ["rollout.max_row=4"], ConfigError, r"'rollout\.max_row'; did you mean 'max_rows'"),
    ("builtin:chain", "chain", ["samples"], ConfigError, "cannot read 'samples'; settings are written key=value"),
    ("builtin:chain", "chain", ["model.path=x"], ConfigError, "the model stands behind 'spro eval'"),
    ("builtin:chain", "chain", ["model={path: x}"], ConfigError, "makes the model 'x': it stands behind 'spro eval'"),
    ("builtin:chain", "chain", ["path=x.jsonl"], ConfigError, "problems of the suite 'chain' are generated"),
    ("builtin:chain", "chain", ["rollout.max_response_length=256"], ConfigError, "the model has 256 positions"),
    ("builtin:chain", "chain", [LEVEL], ConfigError, "wants the column 'level'"),
    ("builtin:chain", "math500", ["path=none.jsonl"], DataError, r"no file or folder 'none\.jsonl'"),
    ("./none", "chain", [], ModelError, r"there is no model folder '\./none'"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "suite", "words", "kind", "line"), WRONG, ids=[line[:40] for *_, line in WRONG])
def test_a_mistake_is_one_line_and_leaves_nothing(
    model: str, suite: str | None, words: list[str], kind: type[UserError], line: str
) -> None:
    with pytest.raises(kind, match=line) as caught:
        evaluate_command(model, suite, [*words, "out=a"])
    assert "\n" not in str(caught.value)
    assert not Path("a").exists()


def test_a_run_folder_is_no_model() -> None:
    Path("run/checkpoints").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"'run' is a run folder; give one of its checkpoints: run/checkpoints/step-N"):
        on_chain("out=a", model="run")


def test_an_evaluation_is_shown_and_not_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_chain("out=a") == 0
    for words in (["--suite", "chain"], ["samples=2"], ["--resume"], ["--export", "lm-eval"]):
        assert main(["eval", "a", *words]) == 2
        assert "'a' is an evaluation, whose numbers are shown" in capsys.readouterr().err
    with pytest.raises(
        RunFolderError, match=r"'a' exists already; go on with it by --resume, choose another with out="
    ):
        on_chain("out=a")
    Path("a/result.json").unlink()
    with pytest.raises(DataError, match="spro eval builtin:chain --suite chain out=a --resume"):
        show_command(Path("a"))
    with pytest.raises(DataError, match="'a' is not finished"):
        on_chain("out=b", against=Path("a"))


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("result.json", lambda text: text[:40], r"result\.json' is damaged: Invalid JSON: EOF .* --resume"),
        ("result.json", lambda text: "[]", r"result\.json' is damaged: Input should be"),
        (
            "result.json",
            lambda text: text.replace('"too_long"', '"too_lon"'),
            r"damaged: asked\.too_long: Field required",
        ),
        (
            "result.json",
            lambda text: text.replace('"template": "none"', '"template": 3'),
            r"template: Input should be a",
        ),
        ("samples.jsonl", lambda text: text.replace('"number": 0', '"number": "0"', 1), r"line 1 .*: number is '0'"),
    ],
)
def test_a_damaged_file_is_one_line(name: str, change: Callable[[str], str], line: str) -> None:
    assert on_chain("out=a", "max_problems=2") == 0
    place = Path("a", name)
    place.write_text(change(place.read_text()))
    with pytest.raises(DataError, match=line) as caught:
        show_command(Path("a"))
    assert "\n" not in str(caught.value)


def some_halves(completions: Sequence[Any], **columns: Any) -> list[float]:
    """Right in part only."""
    return [0.5 for _ in completions]


def test_progress_tells_greedy_and_sampled_answers_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_chain("out=a", "samples=2", "temperature=1.0", f"verify.function.path={HERE}.some_halves") == 0
    assert "problem 20/20  greedy accuracy 0  sampled score 0.5  length " in capsys.readouterr().err


def core_results(function: str, sampling: Sampling, **further: Any) -> list[ProblemResult]:
    """Three problems, graded by a function of this file."""
    verify = {"function": {"path": f"{HERE}.{function}"}}
    config = EvalConfig.model_validate({"suite": "chain", "model": {"path": "builtin:chain"}, "verify": verify})
    policy = load_policy("builtin:chain", "cpu")
    problems, report = load_suite("chain", None, lambda *_: "", 3)
    prompts = encode_prompts(policy.tokenizer, problems, 64, report)
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 256)
    with Grading(as_run(config, 192)) as grading:
        grading.prepare({"chain"})
        return [*evaluate_prompts(engine, grading.judge(policy.tokenizer), prompts, sampling, 0, **further)]


def test_an_answer_right_in_part_has_a_score_and_is_not_correct() -> None:
    results = core_results("some_halves", Sampling(2, 16, 1.0))
    assert [(one.scores, one.correct) for one in results] == [((0.5, 0.5), (False, False))] * 3


def test_the_core_refuses_answers_of_which_too_many_have_no_score() -> None:
    assert [one.scores for one in core_results("no_grades", Sampling(1, 16, 0.0))] == [()] * 3
    with pytest.raises(WorkerError, match=r"3 of 3 answers could not be graded, more than .* = 50%"):
        core_results("no_grades", Sampling(1, 16, 0.0), max_unscored_share=0.5)
