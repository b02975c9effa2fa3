"""The greedy answer to each prompt, as a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from spro.rollout import Engine, Sampling
from spro.train.group import Group, Prepared
from spro.train.reward import OverlongPenalty
from spro.train.sampling import sample_groups
from spro.verify import Grader


@dataclass(frozen=True)
class GreedyAnswers:
    """One greedy response a prompt, graded and rewarded as the sampled ones are.

    Attributes:
        engine: samples.
        grader: grades.
        tokenizer: of the policy.
        sampling: of the training responses; its length limit is kept.
        penalty: on length.
    """

    engine: Engine
    grader: Grader
    tokenizer: PreTrainedTokenizerBase
    sampling: Sampling
    penalty: OverlongPenalty

    def __call__(self, groups: Sequence[Group], seed: int) -> Prepared:
        """The groups with their ``greedy_reward``, without those whose greedy answer could not be graded."""
        greedy = replace(self.sampling, group_size=1, temperature=0.0)
        prompts = [group.prompt for group in groups]
        answers = sample_groups(self.engine, self.grader, self.tokenizer, prompts, greedy, seed)
        prepared = [
            replace(group, greedy_reward=answer.scores[0] + self.penalty(len(answer.responses[0].token_ids)))
            for group, answer in zip(groups, answers, strict=True)
            if answer.scores
        ]
        return Prepared(prepared, [unscored for answer in answers for unscored in answer.unscored])
