"""Comparisons made by hand: folders with settings and summaries, no run behind them."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from spro.lab.compare.summary import Scores, Summary, write_summary

SOURCES = ("amc", "math")


def summary(
    curve: Mapping[int, float],
    scores: Sequence[Scores] = (),
    tokens_a_step: float = 100.0,
    seconds_a_step: float = 36.0,
    collapse: str = "",
) -> Summary:
    """A run with this held-out accuracy by step; one FLOP a token, an entropy and a length that fall."""
    steps = tuple(range(max(curve) + 1))
    trained = steps[1:]
    return Summary(
        steps=steps,
        series={
            "eval/accuracy": tuple(curve.get(step) for step in steps),
            "eval/greedy_accuracy": tuple(curve.get(step) for step in steps),
            "accuracy": (None, *(0.5 for _ in trained)),
            "response_length/mean": (None, *(40.0 - step / len(steps) for step in trained)),
            "entropy": (None, *(1.0 - step / (2 * len(steps)) for step in trained)),
            "tokens": (None, *(tokens_a_step * step for step in trained)),
            "total_flos": (None, *(2e6 * tokens_a_step * step for step in trained)),
        },
        hours=tuple(seconds_a_step * step / 3600 for step in steps),
        collapse=collapse,
        scores=tuple(scores),
    )


def scores_of(rate: float, problems: int, samples: int, dice: random.Random) -> list[Scores]:
    """Scores of a model that is right at about this rate, on the same problems for every call."""
    return [
        Scores(
            f"problem-{index}",
            SOURCES[index % len(SOURCES)],
            tuple(float(dice.random() < rate) for _ in range(samples)),
            float(dice.random() < rate),
        )
        for index in range(problems)
    ]


def write_comparison(
    folder: Path,
    runs: Mapping[str, Mapping[int, Summary]],
    base: Summary | None = None,
    **settings: object,
) -> Path:
    """``compare.yaml`` and ``summaries/``."""
    (folder / "summaries").mkdir(parents=True)
    seeds = sorted({seed for own in runs.values() for seed in own})
    config = {"methods": {label: {"credit": {"type": "spro"}} for label in runs}, "seeds": seeds, **settings}
    (folder / "compare.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    for label, own in runs.items():
        for seed, one in own.items():
            write_summary(folder / "summaries" / f"{label}-seed-{seed}.json", one)
    if base is not None:
        write_summary(folder / "summaries" / "base.json", base)
    return folder


def learned(final: float, steps: int, seed: int, rate: float = 0.1, problems: int = 60) -> Summary:
    """A run that comes up from ``rate`` to ``final``, with some noise of its own."""
    dice = random.Random(f"{final} {seed}")
    share = {step: step / steps for step in range(0, steps + 1, 10)}
    curve = {step: rate + (final - rate) * (1 - (1 - part) ** 2) + dice.gauss(0, 0.01) for step, part in share.items()}
    return summary(curve, scores_of(final, problems, 4, dice), tokens_a_step=1e4 * dice.uniform(0.9, 1.1))


def usual(folder: Path) -> Path:
    """Three methods and three seeds of 150 steps; one run failed, one collapsed."""
    finals = {"grpo": 0.55, "spro": 0.8, "prime": 0.56}
    runs = {label: {seed: learned(final, 150, seed) for seed in range(3)} for label, final in finals.items()}
    runs["prime"][2] = Summary(failure="exit code 1: TrainingError: step 5: loss or gradient is not finite")
    base = Summary(scores=tuple(scores_of(0.2, 60, 4, random.Random(0))))
    return write_comparison(folder, runs, base, baseline="grpo")
