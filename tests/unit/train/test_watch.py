import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from spro.config import Config
from spro.config.watch import WatchConfig
from spro.report import CAUSES
from spro.train.metrics import Metrics
from spro.train.progress import describe
from spro.train.signs import SIGNS, process_over_outcome
from spro.train.watch import Collapse, Watch

RUNS = Path(__file__).parents[2] / "golden" / "collapse"
"""Metrics of real runs of the lab task, cut to the columns that the watch reads."""


def read_run(name: str) -> list[tuple[int, Metrics]]:
    rows = [json.loads(line) for line in (RUNS / f"{name}.jsonl").read_text().splitlines()]
    return [(row.pop("step"), row) for row in rows]


def watch_all(rows: list[tuple[int, Metrics]], **settings: Any) -> list[Collapse]:
    watch = Watch(WatchConfig(**settings))
    return [found for step, row in rows if (found := watch.observe(step, row))]


def steady(steps: int, **changes: Any) -> list[tuple[int, Metrics]]:
    """Accuracy 0.6 with a little noise; a change is a function of the step, or a value."""
    rng = random.Random(0)
    rows: list[tuple[int, Metrics]] = []
    for step in range(1, steps + 1):
        row: Metrics = {"accuracy": 0.6 + rng.gauss(0, 0.02), "response_length/clip_ratio": 0.0, "entropy": 0.5}
        row |= {name: value(step) if callable(value) else value for name, value in changes.items()}
        rows.append((step, row))
    return rows


def drop(at: int, after: float = 0.05) -> Any:
    return lambda step: (0.6 + 0.02 * (step % 3 - 1)) if step < at else after + 0.01 * (step % 2)


COLLAPSED = [
    ("spro-beta-1", 9, 13, "process_term"),
    ("spro-learning-rate-3e-4", 22, 28, "process_term"),
    ("grpo-entropy-coef-0.5", 6, 14, "entropy_rise"),
]
HEALTHY = ["spro", "spro-learning-rate-3e-4-short"]


@pytest.mark.parametrize(("name", "began", "recognised", "cause"), COLLAPSED)
def test_a_real_collapse_is_told_once_with_its_first_step_and_its_cause(
    name: str, began: int, recognised: int, cause: str
) -> None:
    (found,) = watch_all(read_run(name))
    assert (found.began, found.recognised, found.cause) == (began, recognised, cause)


def test_the_line_for_a_person_has_numbers_and_a_remedy() -> None:
    (found,) = watch_all(read_run("spro-beta-1"))
    assert found.explanation == (
        "collapse since step 9: accuracy fell from 0.43 to 0.17; likely cause: the process term outgrew the outcome "
        "term (since step 5, now 8 times its spread); lower credit.beta or optimizer.learning_rate, or take a method "
        "that bounds the term (docs/results/repairs.md)"
    )


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_raises_no_alarm(name: str) -> None:
    assert watch_all(read_run(name)) == []


def sampled(rng: random.Random, prompts: int, size: int, accuracy: float) -> Metrics:
    """Of prompts most of which are either easy or hard, so that responses to one are alike."""
    easy = [rng.betavariate(accuracy, 1 - accuracy) if accuracy else 0.0 for _ in range(prompts)]
    right = sum(rng.random() < chance for chance in easy for _ in range(size))
    row: Metrics = {"step_tokens": 30.0 * prompts * size, "response_length/mean": 30.0}
    return row | {"accuracy": right / (prompts * size)}


@pytest.mark.parametrize("accuracy", [0.005, 0.05, 0.4, 0.9])
@pytest.mark.parametrize(("prompts", "size"), [(32, 4), (4, 2)])
def test_the_noise_of_a_small_batch_raises_no_alarm(accuracy: float, prompts: int, size: int) -> None:
    rng = random.Random(1)
    for _ in range(4):
        assert watch_all([(step, sampled(rng, prompts, size, accuracy)) for step in range(1, 201)]) == []


@pytest.mark.parametrize(("prompts", "accuracy", "within"), [(32, 0.8, 4), (32, 0.1, 20), (8, 0.4, 20)])
def test_the_noise_of_a_small_batch_hides_no_collapse(prompts: int, accuracy: float, within: int) -> None:
    for seed in range(8):
        rng = random.Random(seed)
        rows = [(step, sampled(rng, prompts, 4, accuracy if step < 60 else 0.0)) for step in range(1, 100)]
        (found,) = watch_all(rows)
        assert 60 <= found.recognised <= 60 + within
        assert 50 <= found.began <= 60


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"credit/outcome_std": 0.8, "credit/msa_std": lambda step: 0.1 * step}, "process_term"),
        ({"entropy": lambda step: 0.5 if step < 24 else 2.0}, "entropy_rise"),
        ({"entropy": lambda step: 0.5 if step < 24 else 0.01}, "entropy_fall"),
        ({"response/repeated_ngrams": lambda step: 0.1 if step < 27 else 0.7}, "repetition"),
        ({"response_length/clip_ratio": lambda step: 0.1 if step < 27 else 0.7}, "length"),
        ({"kl": lambda step: 0.05 * step}, "kl"),
        ({}, "unknown"),
        # What moved first is named, and not what followed.
        ({"kl": lambda s: float(s > 20), "response_length/clip_ratio": lambda s: float(s > 26)}, "kl"),
        ({"kl": lambda s: float(s > 26), "response_length/clip_ratio": lambda s: float(s > 20)}, "length"),
        # A sign of long ago, with which the run went well, explains nothing.
        ({"kl": 1.5}, "unknown"),
        # A sign that has gone again explains nothing.
        ({"kl": lambda s: float(s in {20, 21})}, "unknown"),
    ],
)
def test_the_cause_is_what_moved_first(changes: dict[str, Any], cause: str) -> None:
    (found,) = watch_all(steady(60, accuracy=drop(50 if changes.get("kl") == 1.5 else 25), **changes))
    assert found.cause == cause
    assert CAUSES[cause].remedy in found.explanation


@pytest.mark.parametrize("alone", ["response_length/clip_ratio", "response/repeated_ngrams"])
def test_where_no_answer_is_right_the_length_limit_or_repetition_is_a_collapse(alone: str) -> None:
    rows = steady(60, accuracy=0.0, **{alone: lambda step: 0.05 if step < 30 else 0.9})
    (found,) = watch_all(rows)
    assert found.began == 30
    assert found.recognised == 32
    assert "90%" in found.explanation
    assert "likely cause" not in found.explanation


def test_long_responses_of_a_policy_that_gets_better_are_no_collapse() -> None:
    rows = steady(60, accuracy=lambda step: 0.2 + 0.01 * step, **{"response_length/clip_ratio": lambda s: s / 60})
    assert watch_all(rows) == []


@pytest.mark.parametrize("name", [sign.metric for sign in SIGNS])
def test_a_sign_alone_is_no_alarm_while_accuracy_holds(name: str) -> None:
    assert watch_all(steady(60, **{name: lambda step: 0.5 if step < 30 else 0.99})) == []
    assert watch_all(steady(60, **{name: lambda step: 0.5 if step < 30 else 0.001})) == []


def test_the_mean_score_is_watched_where_nothing_is_wholly_right() -> None:
    (found,) = watch_all(steady(60, accuracy=0.0, reward=drop(30)))
    assert found.began == 30
    assert "the mean score fell from 0.6" in found.explanation


def test_how_much_must_be_lost_is_a_setting() -> None:
    rows = steady(60, accuracy=drop(30, after=0.2))
    assert len(watch_all(rows)) == 1
    assert watch_all(rows, fall=0.9) == []
    rows = steady(60, accuracy=drop(30, after=0.4))
    assert watch_all(rows) == []
    assert len(watch_all(rows, fall=0.25)) == 1


@pytest.mark.parametrize("settings", [{"fall": 0}, {"fall": 1.1}, {"on_collapse": "pause"}, {"fal": 0.5}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WatchConfig(**settings)


def test_another_collapse_is_told_only_after_recovery() -> None:
    def accuracy(step: int) -> float:
        return (0.05 if 30 <= step < 45 or step >= 70 else 0.6) + 0.01 * (step % 2)

    first, second = watch_all(steady(90, accuracy=accuracy))
    assert (first.began, second.began) == (30, 70)
    assert len(watch_all(steady(90, accuracy=lambda step: accuracy(step) if step < 45 else 0.05))) == 1


def test_the_metrics_name_a_collapse_while_it_lasts() -> None:
    watch = Watch(WatchConfig())
    said = {}
    for step, row in steady(70, accuracy=lambda s: 0.05 + 0.01 * (s % 2) if 30 <= s < 45 else 0.6 + 0.01 * (s % 2)):
        watch.observe(step, row)
        said[step] = watch.metrics()
        assert watch.last_good_step == said[step]["watch/last_good_step"]
    assert said[29] == {"watch/last_good_step": 29, "watch/collapse_began": None}
    # Under suspicion, not yet certain.
    assert said[30] == {"watch/last_good_step": 29, "watch/collapse_began": None}
    during = {"watch/last_good_step": 29, "watch/collapse_began": 30, "watch/collapse/unknown": 30}
    assert said[36] == said[44] == during
    assert said[60] == {"watch/last_good_step": 60, "watch/collapse_began": None}


def test_a_resumed_watch_decides_as_the_one_that_went_on() -> None:
    rows = read_run("spro-beta-1")
    watch = resumed = Watch(WatchConfig())
    for step, row in rows:
        assert watch.observe(step, row) == resumed.observe(step, row)
        assert json.dumps(watch.metrics()) == json.dumps(resumed.metrics())
        text = json.dumps(watch.state(), allow_nan=False)
        assert json.dumps(resumed.state()) == text
        resumed = Watch(WatchConfig())
        resumed.load(json.loads(text))
        assert resumed.metrics() == watch.metrics()
        assert resumed.collapse == watch.collapse
    assert resumed.collapse is not None


def test_nothing_measured_is_nothing_said() -> None:
    watch = Watch(WatchConfig())
    for step in range(1, 40):
        nothing: Metrics = {"accuracy": None, "kl": float("nan"), "entropy": float("inf")} if step % 2 else {}
        assert watch.observe(step, nothing) is None
        json.dumps(watch.state(), allow_nan=False)
    assert watch.metrics() == {"watch/last_good_step": 39, "watch/collapse_began": None}


def test_steps_without_a_measurement_hide_no_collapse() -> None:
    rows = [(step, row if step % 3 else {}) for step, row in steady(80, accuracy=drop(30))]
    (found,) = watch_all(rows)
    assert found.began == 31
    assert found.recognised <= 40


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"credit/outcome_std": 0.8, "credit/msa_std": 0.4, "credit/advantage_std": 1.0}, 0.5),
        ({"credit/outcome_std": 0.5, "credit/a_std": 3.0, "credit/b_std": 4.0}, 10.0),
        ({"credit/outcome_std": 0.0, "credit/msa_std": 0.4}, None),
        ({"credit/outcome_std": None, "credit/msa_std": 0.4}, None),
        ({"credit/outcome_std": 0.8, "credit/msa_std": None}, None),
    ],
)
def test_the_process_term_is_measured_against_the_outcome(metrics: Metrics, expected: float | None) -> None:
    (ratio,) = process_over_outcome(metrics).values()
    assert ratio == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("names", [["outcome", "advantage"], ["whitened", "advantage"], ["msa", "advantage"], []])
def test_a_method_of_one_term_has_no_ratio(names: list[str]) -> None:
    assert process_over_outcome({f"credit/{name}_std": 0.5 for name in names}) == {}


def test_the_progress_line_names_the_collapse_first() -> None:
    latest: Metrics = {"accuracy": 0.17, "watch/collapse_began": 9, "watch/collapse/process_term": 9}
    assert describe(latest) == "collapse since step 9 (process term)  accuracy 0.17"
    # Of a collapse before this one, whose key the latest values still hold.
    assert describe(latest | {"watch/collapse/kl": 4}) == "collapse since step 9 (process term)  accuracy 0.17"
    assert describe(latest | {"watch/collapse_began": None}) == "accuracy 0.17"


def test_every_cause_has_words_and_names_settings_that_exist() -> None:
    assert [sign.cause for sign in SIGNS] == list(CAUSES)[:-1]
    for name, cause in CAUSES.items():
        settings = re.findall(r"\b([a-z]+)\.([a-z_]+)\b(?!\.)", cause.remedy.replace("docs/results/repairs.md", ""))
        assert settings, name
        for section, key in settings:
            fields = Config.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
            assert key in fields or (section, key) == ("credit", "beta"), f"{section}.{key}"
