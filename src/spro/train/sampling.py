"""From prompts to graded groups: rollout and verify."""

import random
from collections.abc import Iterable, Sequence

from spro.errors import TrainingError
from spro.rollout import Engine, Sampling
from spro.tasks import Prompt
from spro.train.group import Group, Unscored
from spro.train.judge import Judge
from spro.verify import Status


def derive_seed(seed: int, purpose: str | int) -> int:
    """An independent seed for a step or a purpose; a pure function, so a resumed run samples what it would have."""
    return random.Random(f"{seed}/{purpose}").getrandbits(63)


def sample_groups(
    engine: Engine, judge: Judge, prompts: Sequence[Prompt], sampling: Sampling, seed: int
) -> list[Group]:
    """Let the policy answer each prompt ``sampling.group_size`` times, and judge the answers."""
    sampled = engine.generate([prompt.token_ids for prompt in prompts], sampling, seed)
    judged = iter(
        judge(
            [
                (prompt, response.token_ids)
                for prompt, responses in zip(prompts, sampled, strict=True)
                for response in responses
            ]
        )
    )
    return [
        Group(prompt, responses, tuple(next(judged) for _ in responses))
        for prompt, responses in zip(prompts, sampled, strict=True)
    ]


def unscored_share(groups: Iterable[Group]) -> float:
    """Share of the responses that could not be graded."""
    statuses = [verdict.status for group in groups for verdict in group.verdicts]
    return sum(status is Status.UNSCORED for status in statuses) / len(statuses)


def drop_unscored(groups: Sequence[Group]) -> list[Group]:
    """The groups without their unscored responses, and without groups of which nothing is left."""
    return [group for group in (group.scored() for group in groups) if group.responses]


def check_enough_graded(lost: int, total: int, max_share: float, what: str, unscored: Sequence[Unscored]) -> None:
    """Stop the run if too much is lost to what could not be graded.

    Args:
        lost: of ``total``.
        total: at least one.
        max_share: ``verify.max_unscored_share``.
        what: says what is counted and that it is lost.
        unscored: why; at least one if anything is lost.

    Raises:
        TrainingError: more than ``max_share`` is lost, or all.
    """
    if lost == total or lost > max_share * total:
        raise TrainingError(
            f"{lost / total:.0%} of the {what}, more than verify.max_unscored_share = {max_share:.0%}; "
            f"the first: {unscored[0].detail or 'no reason given'}"
        )
