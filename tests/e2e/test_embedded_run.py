"""The embedded lab run through the command line: artefacts, determinism, interruption, refusal."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.command import HANGS, SMALL, await_steps, spro

QUICK = (*SMALL, "rollout.max_response_length=96", "task.held_out_problems=32", "evaluate.every=2")


def metrics_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["spro", "grpo", "rloo"])
def test_every_method_trains_and_leaves_a_whole_run_folder(tmp_path: Path, method: str) -> None:
    done = spro("train", *QUICK, f"credit.type={method}", "run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {
        ".lock", "config.yaml", "metrics.jsonl", "rollouts", "checkpoints", "report.html",
    }  # fmt: skip
    lines = metrics_of(run)
    assert [line["step"] for line in lines] == [0, 1, 2, 3]
    assert ["eval/accuracy" in line for line in lines] == [True, False, True, True]
    assert lines[1]["rollout/log_prob_diff_max"] < 1e-4
    assert lines[1]["grad_norm"] > 0
    assert lines[3]["tokens"] > lines[1]["tokens"]
    assert lines[3]["learning_rate"] < lines[1]["learning_rate"]
    assert ("credit/msa_std" in lines[1]) == (method == "spro")
    if method == "spro":
        # Policy and reference are the same then; their forwards are cut differently, which rounds differently.
        assert lines[1]["credit/msa_std"] < 1e-6
        assert lines[3]["credit/msa_std"] > 1e-4
    assert yaml.safe_load((run / "config.yaml").read_text())["credit"]["type"] == method
    assert "held-out accuracy" in done.stdout
    assert "checkpoints/step-3" in done.stdout
    checkpoint = run / "checkpoints" / "step-3"
    AutoModelForCausalLM.from_pretrained(checkpoint)
    AutoTokenizer.from_pretrained(checkpoint)


@pytest.mark.parametrize(
    "words",
    [
        ("loss.type=gspo", "loss.loss_reduction=token-sum", "credit.type=remax", "filter.type=dynamic"),
        ("loss.type=cispo", "credit.type=vineppo", "vine.samples=2", "filter.type=zero_variance"),
        ("loss.type=dual_clip", "loss.kl_loss_coef=0.01", "credit.type=grpo", "filter.type=none", "reference.type=ema"),
        ("credit.type=spro_steps", "reward.overlong_buffer=12", "reference.type=periodic", "reference.every=1"),
    ],
)
def test_every_part_can_be_exchanged(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = spro("train", *SMALL, "train.steps=2", "evaluate.every=0", *words, "run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = metrics_of(tmp_path / "run")
    assert [line["step"] for line in lines] == [0, 1, 2]
    for line in lines[1:]:
        assert line["filter/groups"] > 0
        assert math.isfinite(line["loss"])
        assert line["grad_norm"] > 0
    if "credit.type=spro_steps" in words:
        assert [line["kl"] for line in lines[1:]] == pytest.approx([0, 0], abs=1e-9), "a copy after each step"
    if "reference.type=ema" in words:
        assert lines[2]["kl"] > 0, "held for the penalty, though the method needs none"


def test_a_method_that_cannot_run_is_told_in_one_line(tmp_path: Path) -> None:
    unable = spro("train", *QUICK, "credit.type=pure", "run_dir=run", cwd=tmp_path)
    assert unable.returncode == 2
    assert "the credit method needs step_rewards, which this trainer cannot make; choose another" in unable.stderr
    assert not (tmp_path / "run").exists()


def test_the_policy_learns(tmp_path: Path) -> None:
    """The embedded run cut to a quarter; at twice its learning rate, since it has so few steps."""
    words = (
        "train.steps=25",
        "optimizer.learning_rate=3e-4",
        "evaluate.every=25",
        "task.held_out_problems=256",
        "run_dir=run",
    )
    assert spro("train", *words, cwd=tmp_path).returncode == 0
    first, *_, last = metrics_of(tmp_path / "run")
    gain = last["eval/accuracy"] - first["eval/accuracy"]
    assert gain > 4 * first["eval/accuracy_se"], (first, last)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert spro("train", *QUICK, f"run_dir={name}", cwd=tmp_path).returncode == 0

    def untimed(run: str) -> list[dict[str, float]]:
        machine = ("time/", "memory/")
        return [{k: v for k, v in line.items() if not k.startswith(machine)} for line in metrics_of(tmp_path / run)]

    assert untimed("a") == untimed("b")
    weights = [(tmp_path / run / "checkpoints/step-3/model.safetensors").read_bytes() for run in ("a", "b")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_saves_what_was_learned_and_the_run_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    # More steps than any machine makes until the signal, and no checkpoint but the one that the stop makes.
    words = (*QUICK, "train.steps=1000000", "log.checkpoint_every=1000000", "run_dir=run")
    with subprocess.Popen(
        [sys.executable, "-m", "spro.cli", "train", *words],
        cwd=tmp_path, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            await_steps(process, tmp_path / "run")
            process.send_signal(number)
            out, err = process.communicate(timeout=HANGS)
        finally:
            process.kill()
    assert process.returncode == 128 + number, err
    assert "stopping and saving; once more to stop at once" in err
    last = int(metrics_of(tmp_path / "run")[-1]["step"])
    saved = [path for path in (tmp_path / "run" / "checkpoints").iterdir() if (path / "manifest.json").is_file()]
    # One more than was logged where the signal came in its evaluation.
    assert [path.name in {f"step-{last}", f"step-{last + 1}"} for path in saved] == [True]
    assert (tmp_path / "run" / "report.html").is_file()
    assert "report" in out
    assert str(saved[0].relative_to(tmp_path)) in out
    done = spro("train", "--resume", f"train.steps={last + 2}", "run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line["step"] for line in metrics_of(tmp_path / "run")] == list(range(last + 3))


def test_evaluation_and_held_out_problems_can_be_turned_off(tmp_path: Path) -> None:
    words = (*SMALL, "train.steps=2", "evaluate.every=0", "run_dir=run")
    done = spro("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not any(name.startswith("eval/") for line in metrics_of(tmp_path / "run") for name in line)
    assert "without held-out evaluation" in done.stdout


def test_an_existing_run_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    done = spro("train", *QUICK, "run_dir=run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "spro: the run folder 'run' exists already; go on with it by --resume, choose another with run_dir=... or "
        "move it"
    )
    assert not any((tmp_path / "run").iterdir())


def test_a_run_that_cannot_go_on_says_why_and_keeps_what_it_has(tmp_path: Path) -> None:
    done = spro("train", *QUICK, "optimizer.learning_rate=1e30", "run_dir=run", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("spro: TrainingError: the policy's logits are not finite")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "report.html").is_file()


def test_methods_doctor_report_and_version(tmp_path: Path) -> None:
    methods = spro("methods", cwd=tmp_path)
    assert methods.returncode == 0
    assert "settings: beta=0.05, std_eps=1e-06; needs: old_log_probs, ref_log_probs" in methods.stdout
    doctor = spro("doctor", cwd=tmp_path)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "math verifier: works" in doctor.stdout
    assert spro("--version", cwd=tmp_path).stdout.startswith("spro 0.")
    missing = spro("report", "nowhere", cwd=tmp_path)
    assert missing.returncode == 2
    assert "nowhere" in missing.stderr
