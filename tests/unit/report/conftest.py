"""A synthetic run folder, written the way the trainer writes one."""

import html.parser
import json
import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

CONFIG = """\
task:
  type: chain
  length: 3
model:
  path: runs/warm/tiny-chain
credit:
  type: spro
  beta: 0.05
  advantage_scale: group
optimizer:
  learning_rate: 0.001
"""


VOID = {"meta", "br", "link", "img", "input", "hr"}


class Tree(html.parser.HTMLParser):
    """Checks that every tag is closed in order, and keeps what the tests ask for."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append((self.open[-1] if self.open else "", data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def classes(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]

    @property
    def shown(self) -> str:
        return "".join(text for tag, text in self.text if tag not in {"script", "style"})


class RunFolder:
    """Writes parts of a run; every part is optional."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def config(self, text: str = CONFIG) -> "RunFolder":
        (self.path / "config.yaml").write_text(text, encoding="utf-8")
        return self

    def metrics(self, rows: Iterable[dict[str, Any]], tail: str = "") -> "RunFolder":
        text = "".join(json.dumps(row) + "\n" for row in rows) + tail
        (self.path / "metrics.jsonl").write_text(text, encoding="utf-8")
        return self

    def rollouts(self, step: int, responses: Iterable[dict[str, Any]], tail: str = "") -> "RunFolder":
        folder = self.path / "rollouts"
        folder.mkdir(exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in responses) + tail
        (folder / f"step-{step:06d}.jsonl").write_text(text, encoding="utf-8")
        return self


def training_rows(steps: int, seed: int = 0) -> list[dict[str, Any]]:
    """A plausible learning curve with an evaluation every tenth of it."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    every = max(1, steps // 10)
    for step in range(steps + 1):
        t = step / max(1, steps)
        skill = 0.12 + 0.72 / (1 + math.exp(-9 * (t - 0.42)))
        row: dict[str, Any] = {"step": step}
        if step % every == 0:
            row |= {"eval/accuracy": skill, "eval/accuracy_se": math.sqrt(skill * (1 - skill) / 256)}
            row |= {"eval/problems": 256, "eval/response_length/mean": 21 - 4 * t}
        if step:
            row |= {
                "accuracy": min(1.0, max(0.0, skill + rng.gauss(0, 0.045))),
                "reward": skill,
                "entropy": 1.15 * math.exp(-2.2 * t) + 0.12 + rng.gauss(0, 0.02),
                "response_length/mean": 22 - 4.5 * t + rng.gauss(0, 0.5),
                "response_length/max": 48,
                "response_length/clip_ratio": 0.03 * (1 - t),
                "credit/outcome_std": 0.86 - 0.2 * t + rng.gauss(0, 0.02),
                "credit/msa_std": 0.32 * t**0.7 + abs(rng.gauss(0, 0.01)),
                "credit/advantage_std": 0.9 - 0.1 * t + rng.gauss(0, 0.02),
                "clip_fraction": None if step == 1 else abs(rng.gauss(0.02, 0.006)),
                "loss": rng.gauss(0, 0.01),
                "grad_norm": 1.2 * math.exp(-t) + abs(rng.gauss(0, 0.12)),
                "learning_rate": 1e-3,
                "filter/in_window_fraction": min(1.0, 0.45 + 0.4 * math.sin(3 * t) + rng.gauss(0, 0.03)),
                "verify/unscored_fraction": 0.0,
                "time/step_s": 1.9 + abs(rng.gauss(0, 0.15)),
                "time/rollout_s": 0.8,
                "tokens": step * 5400,
            }
        rows.append(row)
    return rows


def sampled(
    problem_id: str,
    tokens: list[str],
    score: float | None,
    status: str = "",
    step: int = 120,
    seed: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """One line of a rollout file."""
    rng = random.Random(ascii((problem_id, tokens, seed)))
    outcome = 0.0 if score is None else (score - 0.5) * 1.7
    drift = 0.0
    msa = []
    for _ in tokens:
        drift += rng.gauss(0, 0.22)
        msa.append(drift)
    word = status or {None: "unscored", 1.0: "correct", 0.0: "wrong"}.get(score, "partial")
    line: dict[str, Any] = {
        "step": step,
        "problem_id": problem_id,
        "prompt": "3+5*2?",
        "ground_truth": "6",
        "response": "".join(tokens),
        "verdict": {"score": score, "status": word, "extracted": tokens[-1] if tokens else None, "detail": ""},
        "finish_reason": "stop",
        "tokens": tokens,
        "advantages": [outcome + value for value in msa],
        "terms": {"outcome": [outcome] * len(tokens), "msa": msa},
        "old_log_probs": [-abs(rng.gauss(0, 0.6)) for _ in tokens],
        "ref_log_probs": [-abs(rng.gauss(0, 0.9)) for _ in tokens],
    }
    return line | changes


def chain_group(problem_id: str, step: int, right: int, size: int = 4) -> list[dict[str, Any]]:
    """A group of which the first ``right`` are correct."""
    good, bad = ["8", "*", "2", ";", "\n", "1", "6", ";", "#", "6"], ["8", "*", "2", ";", "1", "4", ";", "#", "4"]
    return [
        sampled(problem_id, good if i < right else bad[: 9 - i % 2], float(i < right), step=step, seed=i)
        for i in range(size)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """An empty run folder."""
    return RunFolder(tmp_path / "demo-spro")


@pytest.fixture
def full(folder: RunFolder) -> RunFolder:
    """A run of 120 steps with everything in it."""
    folder.config().metrics(training_rows(120))
    folder.rollouts(10, chain_group("chain-17", 10, right=1) + chain_group("chain-3", 10, right=0))
    folder.rollouts(60, chain_group("never-shown", 60, right=2))
    latest = [("chain-1", 4), ("chain-17", 2), ("chain-4", 0), ("chain-9", 3), ("chain-12", 1)]
    return folder.rollouts(120, [line for name, right in latest for line in chain_group(name, 120, right)])


@pytest.fixture
def page_of() -> Callable[[RunFolder], str]:
    """Writes the report and returns its text."""
    from spro.report import write_report

    return lambda run: write_report(run.path).read_text(encoding="utf-8")


@pytest.fixture
def training() -> Callable[[int], list[dict[str, Any]]]:
    return training_rows


@pytest.fixture
def sample() -> Callable[..., dict[str, Any]]:
    return sampled


@pytest.fixture
def parse() -> type[Tree]:
    """Parses a page, and fails unless every tag is closed in order."""
    return Tree


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved as images, in their order."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **named: Any) -> None:
        save(figure, *arguments, **named)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures
