"""The greedy answer to each prompt, as a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spro.rollout import Engine, Sampling
from spro.train.compute import sampled
from spro.train.group import Group, Prepared
from spro.train.judge import Judge
from spro.train.sampling import sample_groups


@dataclass(frozen=True)
class GreedyAnswers:
    """One greedy response a prompt, judged as the sampled ones are.

    Attributes:
        engine: samples.
        judge: says what a response is worth.
        sampling: of the training responses; its length limit is kept.
    """

    engine: Engine
    judge: Judge
    sampling: Sampling

    def __call__(self, groups: Sequence[Group], seed: int) -> Prepared:
        """The groups with their ``greedy_reward``, without those whose greedy answer could not be graded."""
        greedy = replace(self.sampling, group_size=1, temperature=0.0)
        prompts = [group.prompt for group in groups]
        answers = sample_groups(self.engine, self.judge, prompts, greedy, seed)
        prepared = [
            replace(group, greedy_reward=answer.rewards[0])
            for group, answer in zip(groups, answers, strict=True)
            if answer.rewards
        ]
        work = sampled([prompt.token_ids for prompt in prompts], [answer.responses for answer in answers])
        return Prepared(prepared, [unscored for answer in answers for unscored in answer.unscored], work)
