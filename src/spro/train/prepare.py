"""What is done with the groups of a step before they are scored, because a method needs what it gives."""

from collections.abc import Callable, Sequence

from spro.config import Config
from spro.models import Policy
from spro.rollout import Engine, Sampling
from spro.train.greedy import GreedyAnswers
from spro.train.group import Group, Prepared
from spro.train.judge import Judge
from spro.train.steps import StepSplitter
from spro.train.vine import StepValues

Preparation = Callable[[Sequence[Group], int], Prepared]
"""(groups, seed) -> the groups with more said of them; those of which it could not be said are left out."""


def build_preparations(
    needs: frozenset[str], config: Config, policy: Policy, engine: Engine, judge: Judge
) -> tuple[Preparation, ...]:
    """The preparations behind the tensors that are needed, in the order in which they build on each other."""
    sampling = sampling_of(config)
    positions = getattr(policy.model.config, "max_position_embeddings", None)
    makers: tuple[tuple[set[str], Preparation], ...] = (
        ({"step_ids", "step_values"}, StepSplitter(policy.tokenizer, config.steps.separator)),
        ({"greedy_rewards"}, GreedyAnswers(engine, judge, sampling)),
        ({"step_values"}, StepValues(engine, judge, sampling, config.vine.samples, positions)),
    )
    return tuple(preparation for tensors, preparation in makers if tensors & needs)


def sampling_of(config: Config) -> Sampling:
    """How the training responses are sampled."""
    rollout = config.rollout
    return Sampling(rollout.group_size, rollout.max_response_length, rollout.temperature)
