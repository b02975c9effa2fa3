"""Which of the groups that were rolled out are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.train.group import Group


@dataclass(frozen=True, slots=True)
class AccuracyWindow:
    """The accuracy filter of Algorithm 1, line 8, with the semantics of verl's PRIME recipe.

    More prompts are rolled out than are trained on. Those whose mean score lies in [low, high] come first, in the
    order in which they were drawn, then the others; the first ``keep`` stay. So the batch is always full, and
    prompts outside the window can fill it: their outcome advantage is 0, their process term is not.
    """

    low: float
    high: float

    def passes(self, group: Group) -> bool:
        """Whether the group's mean score lies in the window."""
        return self.low <= group.mean_score <= self.high

    def select(self, groups: Sequence[Group], keep: int) -> list[Group]:
        """The ``keep`` groups to train on."""
        return sorted(groups, key=lambda group: not self.passes(group))[:keep]
