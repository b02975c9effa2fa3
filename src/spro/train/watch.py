"""The run watches itself: is a collapse going on, since which step, and what moved first?

Everything is measured against the run's own past, so that one set of thresholds serves a toy and a language model. A
collapse is a fall of the score: accuracy, or the mean score, loses half of its best (``watch.fall``), by more than the
noise between steps explains. Where a score has nothing to lose, or is falling already, responses at the length limit
and repetition are collapses of their own. The other signs, entropy, KL and the spread of the process term, may change
for good reasons; they never raise an alarm and only explain one. docs/collapse.md says it for a reader.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from spro.config.watch import WatchConfig
from spro.report import CAUSES, explain
from spro.train.metrics import Metrics
from spro.train.signs import SIGNS, Track, process_over_outcome

SCORES = {"accuracy": "accuracy", "reward": "the mean score"}
"""Metric -> how it is called. The first that falls is told."""
SHORT, LONG = 5, 20
"""Steps that a score is averaged over: a fast fall is seen in the short mean, a noisy one in the long one."""
MEMORY = 64
"""Steps over which the noise of a score is estimated."""
NOISES = 6.0
"""A fall is more than so many standard errors of the difference between two means: it is looked for at every step, and
from the best of many means. Vetted on simulated noise (tests/unit/train/test_watch.py)."""
LOW = 0.8
"""Below this share of its best, a score is in doubt; above it, it has recovered."""
LOOKBACK = 20
"""A sign explains a fall if it began in the later half of the steps before it, or at most so many steps before."""


@dataclass(frozen=True, slots=True)
class Collapse:
    """A collapse as it is told.

    Attributes:
        began: step at which the score fell out of its noise, or at which the sign that is the collapse began.
        recognised: step whose metrics made it certain.
        cause: a key of ``spro.report.CAUSES``.
        explanation: what happened, why, and what to set, in one line.
    """

    began: int
    recognised: int
    cause: str
    explanation: str


@dataclass(slots=True)
class Score:
    """One score over the run.

    Attributes:
        recent: the last ``MEMORY`` values that were measured.
        best_short: largest mean of ``SHORT`` neighbouring values; None before there are so many.
        best_long: the same of ``LONG``.
        noise: standard deviation of a step's value; the largest seen, since it shrinks with the last right answers.
        low_since: step at which the score last fell out of its noise, while it is low.
    """

    recent: list[float] = field(default_factory=list)
    best_short: float | None = None
    best_long: float | None = None
    noise: float = 0.0
    low_since: int | None = None

    def observe(self, step: int, value: float) -> None:
        """Take in the value of a step."""
        self.recent = [*self.recent, value][-MEMORY:]
        noise = _noise(self.recent)
        # Of few differences it may be anything, and would be held against the rest of the run.
        self.noise = max(self.noise, noise) if len(self.recent) > LONG else noise
        short, long = self.mean(SHORT), self.mean(LONG)
        if self.best_short is not None and short is not None:
            # No noise hides the loss of half.
            floor = max(0.5 * self.best_short, min(LOW * self.best_short, self.best_short - 2 * self.noise))
            if self.low_since is None and value < floor:
                self.low_since = step
            elif value >= floor and short >= floor:
                self.low_since = None
        self.best_short, self.best_long = _largest(self.best_short, short), _largest(self.best_long, long)

    def mean(self, count: int) -> float | None:
        """Mean of the last ``count`` values; None where there are fewer."""
        return sum(self.recent[-count:]) / count if len(self.recent) >= count else None

    def has_lost(self, share: float, responses: float) -> bool:
        """Whether a mean lost this share of its best, by more than the noise and than so many responses vary."""
        if self.low_since is None:
            return False
        for count, best in ((SHORT, self.best_short), (LONG, self.best_long)):
            now = self.mean(count)
            if not best or now is None or now > (1 - share) * best:
                continue
            noise = max(self.noise, _drawing(best, responses))
            if best - now > NOISES * noise * math.sqrt(2 / count):
                return True
        return False

    @property
    def holds(self) -> bool:
        """Whether the score is near its best, and is worth something."""
        best = self.best_short if self.best_long is None else self.best_long
        now = self.mean(SHORT if self.best_long is None else LONG)
        return best is not None and now is not None and best > 0 and now >= LOW * best


class Watch:
    """Watches the metrics of a run, step by step; a pure function of them.

    A collapse is told once. It is over when what fell is back at ``LOW`` of its best, or the sign that it was has gone;
    only then another can be recognised.
    """

    def __init__(self, section: WatchConfig) -> None:
        self.section = section
        self._step = 0
        self._responses = math.inf
        self._scores = {name: Score() for name in SCORES}
        self._signs = {sign.cause: Track() for sign in SIGNS}
        self._collapse: Collapse | None = None
        self._shown_by = ""
        self._ratio: Metrics = {}

    def observe(self, step: int, metrics: Metrics) -> Collapse | None:
        """Take in a step's metrics; the collapse if they made one certain.

        Args:
            step: counted from 1, ascending.
            metrics: names of docs/naming.md. What is missing, None or not finite was not measured.
        """
        self._step = step
        self._ratio = process_over_outcome(metrics)
        measured = {name: v for name, v in {**metrics, **self._ratio}.items() if v is not None and math.isfinite(v)}
        if measured.get("step_tokens") and measured.get("response_length/mean"):
            self._responses = measured["step_tokens"] / measured["response_length/mean"]
        for name, score in self._scores.items():
            if name in measured:
                score.observe(step, measured[name])
        for sign in SIGNS:
            if sign.metric in measured:
                self._signs[sign.cause].observe(step, measured[sign.metric], sign)
        if self._collapse is not None:
            if self._is_over():
                self._collapse, self._shown_by = None, ""
            return None
        self._collapse = self._recognise()
        return self._collapse

    @property
    def collapse(self) -> Collapse | None:
        """The one that is going on."""
        return self._collapse

    @property
    def last_good_step(self) -> int:
        """The last step before the collapse that is going on, or that a low score may become; else the newest step."""
        suspected = [score.low_since for score in self._scores.values() if score.low_since is not None]
        if not self._score_holds:
            alone = (self._signs[sign.cause].since for sign in SIGNS if sign.alone)
            suspected += [since for since in alone if since is not None]
        began = [] if self._collapse is None else [self._collapse.began]
        return min([self._step, *(step - 1 for step in suspected + began)])

    def metrics(self) -> Metrics:
        """What was derived from the newest step, under ``watch/``."""
        collapse = self._collapse
        named: Metrics = {} if collapse is None else {f"watch/collapse/{collapse.cause}": collapse.began}
        return {
            **self._ratio,
            "watch/last_good_step": self.last_good_step,
            "watch/collapse_began": None if collapse is None else collapse.began,
            **named,
        }

    def state(self) -> dict[str, Any]:
        """All that later decisions depend on, as JSON can hold it."""
        return {
            "step": self._step,
            "responses": None if math.isinf(self._responses) else self._responses,
            "scores": {name: asdict(score) for name, score in self._scores.items()},
            "signs": {cause: asdict(track) for cause, track in self._signs.items()},
            "collapse": None if self._collapse is None else asdict(self._collapse),
            "shown_by": self._shown_by,
            "ratio": self._ratio,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self._step = state["step"]
        self._responses = math.inf if state["responses"] is None else state["responses"]
        self._scores = {name: Score(**state["scores"][name]) for name in SCORES}
        self._signs = {sign.cause: Track(**state["signs"][sign.cause]) for sign in SIGNS}
        self._collapse = None if state["collapse"] is None else Collapse(**state["collapse"])
        self._shown_by, self._ratio = state["shown_by"], dict(state["ratio"])

    def _recognise(self) -> Collapse | None:
        for name, score in self._scores.items():
            if score.low_since is not None and score.has_lost(self.section.fall, self._responses):
                self._shown_by = name
                now, best = score.recent[-1], score.best_short
                return self._tell(score.low_since, f"{SCORES[name]} fell from {best:.2g} to {now:.2g}")
        for sign in SIGNS:
            track = self._signs[sign.cause]
            if sign.alone and track.since is not None and track.strength >= 2 and not self._score_holds:
                self._shown_by = sign.cause
                return self._tell(track.since, f"{CAUSES[sign.cause].what} ({sign.detail.format(track.value)})")
        return None

    def _tell(self, began: int, what: str) -> Collapse:
        cause = self._cause(began)
        parts = [f"collapse since step {began}: {what}"]
        if cause != self._shown_by:
            parts.append(explain(cause) + self._detail(cause))
        return Collapse(began, self._step, cause, "; ".join([*parts, CAUSES[cause].remedy]))

    def _detail(self, cause: str) -> str:
        for sign in SIGNS:
            if sign.cause == cause:
                track = self._signs[cause]
                return f" (since step {track.since}, now {sign.detail.format(track.value)})"
        return ""

    def _cause(self, began: int) -> str:
        """The sign that moved first, of those that can have to do with it."""
        earliest = min(began // 2, began - LOOKBACK)
        moved = [(t.since, c) for c, t in self._signs.items() if t.since is not None and t.since >= earliest]
        return min(moved, key=lambda one: one[0])[1] if moved else "unknown"

    def _is_over(self) -> bool:
        if self._shown_by in self._signs:
            return self._signs[self._shown_by].strength < 1
        score = self._scores[self._shown_by]
        now, best = score.mean(SHORT), score.best_short
        return now is not None and best is not None and now >= LOW * best

    @property
    def _score_holds(self) -> bool:
        return any(score.holds for score in self._scores.values())


def _noise(values: Sequence[float]) -> float:
    """Standard deviation from the differences between neighbours: a trend adds little to it.

    The largest tenth of the differences, at least one, is left out: a collapse must not hide itself.
    """
    differences = sorted(abs(b - a) for a, b in pairwise(values))
    kept = differences[: -max(1, len(differences) // 10)]
    # The mean absolute difference of two normal values is 2 / sqrt(pi) standard deviations.
    return sum(kept) / len(kept) * math.sqrt(math.pi) / 2 if kept else 0.0


def _drawing(share: float, responses: float) -> float:
    """Standard deviation of the share of right answers among so many drawn on their own: the least that it can be."""
    return math.sqrt(max(share * (1 - share), 0.0) / responses)


def _largest(best: float | None, value: float | None) -> float | None:
    return max((one for one in (best, value) if one is not None), default=None)
