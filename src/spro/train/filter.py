"""Which of the groups that were rolled out are trained on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from spro import config
from spro.train.group import Group
from spro.window import AccuracyWindow


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
class InWindow(GroupFilter):
    """The accuracy filter of Algorithm 1, line 8: more prompts are rolled out than are trained on; see the window."""

    window: AccuracyWindow

    def passes(self, group: Group) -> bool:
        """Whether the group's mean score lies in the window."""
        return self.window.holds(group.mean_score)

    def select(self, groups: Sequence[Group], keep: int) -> list[Group]:
        """The ``keep`` groups to train on, filled up with others; groups come in the order in which they were drawn."""
        return [groups[place] for place in self.window.choose([group.mean_score for group in groups], keep)]


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
            return InWindow(AccuracyWindow(section.accuracy_low, section.accuracy_high))
        case config.ZeroVarianceFilter():
            return UnequalScores()
        case config.DynamicFilter():
            return UnequalScores(section.max_rollout_batches)
        case config.NoFilter():
            return Everything()
