"""Why a run collapsed, in words: for the person who watches it and for the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.report.run import Metrics

PREFIX = "watch/collapse/"


@dataclass(frozen=True, slots=True)
class Cause:
    """What moved first, and what to set against it.

    Attributes:
        label: two or three words, for a progress line.
        what: a clause for the middle of a sentence.
        remedy: an imperative that names settings.
    """

    label: str
    what: str
    remedy: str


CAUSES = {
    "process_term": Cause(
        "process term",
        "the process term outgrew the outcome term",
        "lower credit.beta or optimizer.learning_rate, or take a method that bounds the term (docs/results/repairs.md)",
    ),
    "entropy_rise": Cause(
        "entropy rose",
        "the policy's entropy rose",
        "lower loss.entropy_coef or optimizer.learning_rate",
    ),
    "entropy_fall": Cause(
        "entropy gone",
        "the policy's entropy fell to near zero, so that all responses to a prompt are alike",
        "raise loss.entropy_coef or lower optimizer.learning_rate",
    ),
    "repetition": Cause(
        "repetition",
        "responses repeat themselves word for word",
        "lower optimizer.learning_rate or raise loss.kl_loss_coef",
    ),
    "length": Cause(
        "length limit",
        "responses run into the length limit",
        "set a price of length (reward.overlong_buffer, reward.overlong_penalty), raise rollout.max_response_length, "
        "or lower optimizer.learning_rate",
    ),
    "kl": Cause(
        "far from reference",
        "the policy went far from the reference",
        "raise loss.kl_loss_coef or lower optimizer.learning_rate",
    ),
    "unknown": Cause(
        "cause unknown",
        "unknown, none of the tracked signs moved",
        "lower optimizer.learning_rate, and read what is rewarded in the run folder's rollouts",
    ),
}
"""By the name in ``watch/collapse/<cause>``; where two moved at once, the earlier in this order is named."""


def explain(cause: str) -> str:
    """``likely cause: the policy went far from the reference``; a plain word for a cause of a later version."""
    return f"likely cause: {CAUSES[cause].what}" if cause in CAUSES else f"likely cause: {cause}"


@dataclass(frozen=True, slots=True)
class Told:
    """A collapse as the metrics tell it: ``watch/collapse/<cause>`` is the step at which it began, while it lasts.

    Attributes:
        cause: its name there.
        began: the step at which it began.
        recognised: the first step that says so.
        last: the last step that says so.
    """

    cause: str
    began: int
    recognised: int
    last: int


def collapses(metrics: Metrics) -> Sequence[Told]:
    """Every collapse of a run, in the order in which they began."""
    steps: dict[tuple[int, str], list[int]] = {}
    for key in metrics.keys:
        if key.startswith(PREFIX):
            for step, began in metrics.series(key).points:
                steps.setdefault((int(began), key.removeprefix(PREFIX)), []).append(int(step))
    return [Told(cause, began, min(told), max(told)) for (began, cause), told in sorted(steps.items())]
