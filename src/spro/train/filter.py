"""Which of the groups that were rolled out are trained on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from spro import config
from spro.train.group import Group


class GroupFilter(ABC):
    """Judges groups by the scores of their responses.

    Attributes:
        max_rollout_batches: how often a step may roll out a batch of prompts to fill itself.
    """

    max_rollout_batches: int = 1

    @abstractmethod
    def passes(self, group: Group) -> bool:
        """Whether the group is one to train on."""

    def select(self, groups: Sequence[Group], keep: int) -> list[Group]:
        """The groups to train on: the first ``keep`` that pass, and fewer where there are fewer."""
        return [group for group in groups if self.passes(group)][:keep]


@dataclass(frozen=True)
class AccuracyWindow(GroupFilter):
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


@dataclass(frozen=True)
class UnequalScores(GroupFilter):
    """Drops the groups whose scores are all equal, which have no outcome advantage.

    With more than one batch this is DAPO's dynamic sampling (arXiv 2503.14476, Eq. 11).
    """

    max_rollout_batches: int = 1

    def passes(self, group: Group) -> bool:
        """Whether two scores differ."""
        return len(set(group.scores)) > 1


@dataclass(frozen=True)
class Everything(GroupFilter):
    """Keeps every group."""

    def passes(self, group: Group) -> bool:
        """Always."""
        return True


def build_filter(section: config.FilterConfig) -> GroupFilter:
    """The filter that the settings name."""
    match section:
        case config.AccuracyWindowFilter():
            return AccuracyWindow(section.accuracy_low, section.accuracy_high)
        case config.ZeroVarianceFilter():
            return UnequalScores()
        case config.DynamicFilter():
            return UnequalScores(section.max_rollout_batches)
        case config.NoFilter():
            return Everything()
