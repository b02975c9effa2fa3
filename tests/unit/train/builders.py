"""Graded groups made by hand."""

from transformers import PreTrainedModel

from spro.rollout import FinishReason, Response
from spro.tasks import Message, Problem, Prompt
from spro.train.experience import Scorer
from spro.train.group import Group
from spro.train.judge import Judge, Judged
from spro.train.reference import Frozen
from spro.train.reward import OverlongPenalty
from spro.verify import Grader, Status, Verdict, Verifier, verify_chain


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
    judged = tuple(Judged("x" * n, make_verdict(score), score) for n, score in zip(lengths, scores, strict=True))
    return Group(make_prompt(index), responses, judged)


def make_scorer(model: PreTrainedModel, needs: frozenset[str], temperature: float = 1.0) -> Scorer:
    """With a frozen reference; three responses a forward."""
    return Scorer(model, needs, temperature, 3, Frozen())


FREE = OverlongPenalty(limit=8)


def make_judge(tokenizer: object, penalty: OverlongPenalty = FREE, **verifiers: Verifier) -> Judge:
    """By verifiers that need no process, the lab task's among them; without reward functions."""
    return Judge(Grader({"chain": verify_chain, **verifiers}), tokenizer, penalty)  # type: ignore[arg-type]
