"""Accuracy on problems that are never trained on."""

import math
from collections.abc import Sequence
from dataclasses import replace

from spro.rollout import Engine, Sampling
from spro.tasks import Prompt
from spro.train.group import Group
from spro.train.judge import Judge
from spro.train.metrics import Metrics
from spro.train.sampling import derive_seed, sample_groups
from spro.verify import Status


class HeldOut:
    """One sampled and one greedy answer to each held-out problem.

    The sampled answers, at the training temperature, measure the policy that is trained; the greedy ones its mode. The
    sampling seed is the same at every evaluation, so that differences between steps carry less noise.
    """

    def __init__(self, engine: Engine, judge: Judge, prompts: Sequence[Prompt], sampling: Sampling, seed: int) -> None:
        self.engine, self.judge, self.prompts = engine, judge, prompts
        self.sampled = replace(sampling, group_size=1)
        self.greedy = replace(sampling, group_size=1, temperature=0.0)
        self.seed = derive_seed(seed, "held-out")

    def evaluate(self) -> Metrics:
        """Metrics under ``eval/``; none without held-out problems."""
        if not self.prompts:
            return {}
        sampled, greedy = (
            sample_groups(self.engine, self.judge, self.prompts, how, self.seed) for how in (self.sampled, self.greedy)
        )
        lengths = [len(response.token_ids) for group in sampled for response in group.responses]
        accuracy, scored = _accuracy(sampled)
        return {
            "eval/accuracy": accuracy,
            "eval/accuracy_se": None if accuracy is None else math.sqrt(accuracy * (1 - accuracy) / scored),
            "eval/greedy_accuracy": _accuracy(greedy)[0],
            "eval/response_length/mean": sum(lengths) / len(lengths),
            "eval/problems": scored,
        }


def _accuracy(groups: Sequence[Group]) -> tuple[float | None, int]:
    """Share of correct answers among the graded ones, and their number; None where nothing could be graded."""
    graded = [v.status for group in groups for v in group.verdicts if v.status is not Status.UNSCORED]
    return (sum(status is Status.CORRECT for status in graded) / len(graded) if graded else None), len(graded)
