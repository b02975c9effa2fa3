"""Graded groups made by hand."""

from transformers import PreTrainedModel

from spro.rollout import FinishReason, Response
from spro.tasks import Message, Problem, Prompt
from spro.train.experience import Scorer
from spro.train.group import Group
from spro.train.reference import Frozen
from spro.train.reward import OverlongPenalty
from spro.verify import Status, Verdict


def make_prompt(index: int, token_ids: tuple[int, ...] = (5, 6)) -> Prompt:
    problem = Problem(f"p{index}", (Message(role="user", content="?"),), "1", "chain", "test")
    return Prompt(problem, token_ids)


def make_verdict(score: float | None) -> Verdict:
    if score is None:
        return Verdict(None, Status.UNSCORED, detail="the worker died")
    return Verdict(score, {0.0: Status.WRONG, 1.0: Status.CORRECT}.get(score, Status.PARTIAL))


def make_group(index: int, scores: list[float | None], lengths: list[int] | None = None) -> Group:
    """A group with the given scores; responses of different lengths and tokens."""
    lengths = lengths or [1 + (index + i) % 4 for i in range(len(scores))]
    responses = tuple(
        Response(tuple(range(3 + i, 3 + i + n)), (-1.0,) * n, FinishReason.STOP) for i, n in enumerate(lengths)
    )
    verdicts = tuple(make_verdict(score) for score in scores)
    return Group(make_prompt(index), responses, tuple("x" * n for n in lengths), verdicts)


def make_scorer(model: PreTrainedModel, needs: frozenset[str], temperature: float = 1.0) -> Scorer:
    """Without a price of length, with a frozen reference; three responses a forward."""
    return Scorer(model, needs, temperature, 3, OverlongPenalty(limit=8), Frozen())
