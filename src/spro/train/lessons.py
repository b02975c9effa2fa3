"""What the policy is taught of each response, and when that is known: before the pass that trains, or in it.

Credit that reads the policy's old log-probs needs them before the policy is updated. In an on-policy update they are
what the pass that trains computes anyway, so credit can be assigned in the middle of it, group by group; then no
forward is spent on them.

Axis legend: B responses of the step, b of a micro-batch, T response positions, t of the micro-batch's longest.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from spro.credit import Credit, Method
from spro.train.experience import Experience

Units = list[tuple[int, ...]]
"""Numbers of rows that must be in one micro-batch."""


class Lessons(ABC):
    """Of one step; asked once for each micro-batch, in any order, until each row was asked for."""

    @abstractmethod
    def units(self, first: int, last: int) -> Units:
        """What must stay together of the groups ``first`` to ``last``."""

    @abstractmethod
    def give(self, rows: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """Old log-probs and advantages, both [b, t].

        Args:
            rows: int [b], of the step.
            log_probs: float32 [b, t], of the policy as it is, without gradient.
        """

    @abstractmethod
    def review(self) -> tuple[Experience, Credit]:
        """What was taught: the step with its old log-probs, and the credit of all of it."""


class KnownLessons(Lessons):
    """Old log-probs and credit that stand before the pass begins."""

    def __init__(self, method: Method, experience: Experience) -> None:
        self.experience = experience
        self.credit = method.assign(experience.batch)

    def units(self, first: int, last: int) -> Units:
        """Each row for itself."""
        starts = self.experience.group_starts
        return [(row,) for row in range(starts[first], starts[last])]

    def give(self, rows: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Lessons``."""
        width = log_probs.shape[1]
        old_log_probs = self.experience.batch.require("old_log_probs", "update")
        return old_log_probs[rows, :width], self.credit.advantages[rows, :width]

    def review(self) -> tuple[Experience, Credit]:
        """See ``Lessons``."""
        return self.experience, self.credit


class OnPolicyLessons(KnownLessons):
    """Credit that stands before the pass, which reads no old log-probs; these are the pass's own."""

    def __init__(self, method: Method, experience: Experience) -> None:
        super().__init__(method, experience)
        self.old_log_probs = torch.zeros_like(experience.rollout_log_probs)

    def give(self, rows: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Lessons``."""
        width = log_probs.shape[1]
        self.old_log_probs[rows, :width] = log_probs
        return log_probs, self.credit.advantages[rows, :width]

    def review(self) -> tuple[Experience, Credit]:
        """See ``Lessons``."""
        return self.experience.with_tensor("old_log_probs", self.old_log_probs), self.credit


class GroupLessons(Lessons):
    """Credit that is assigned in the pass, a whole group at a time, from the log-probs that the pass computes."""

    def __init__(self, method: Method, experience: Experience) -> None:
        self.method = method
        self.experience = experience
        self.old_log_probs = torch.zeros_like(experience.rollout_log_probs)
        self.advantages = torch.zeros_like(experience.rollout_log_probs)
        self.terms: dict[str, Tensor] = {}

    def units(self, first: int, last: int) -> Units:
        """Whole groups."""
        starts = self.experience.group_starts
        return [tuple(range(starts[group], starts[group + 1])) for group in range(first, last)]

    def give(self, rows: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Lessons``."""
        width = log_probs.shape[1]
        self.old_log_probs[rows, :width] = log_probs
        credit = self.method.assign(replace(self.experience.batch.select(rows, width), old_log_probs=log_probs))
        self.advantages[rows, :width] = credit.advantages
        for name, values in credit.terms.items():
            self.terms.setdefault(name, torch.zeros_like(self.advantages))[rows, :width] = values
        return log_probs, credit.advantages

    def review(self) -> tuple[Experience, Credit]:
        """See ``Lessons``."""
        return self.experience.with_tensor("old_log_probs", self.old_log_probs), Credit(self.advantages, self.terms)


Teacher = Callable[[Method, Experience], Lessons]


def choose_teacher(method: Method, is_on_policy: bool, group_fits: bool) -> Teacher:
    """How a run teaches; a scoring forward of the policy is needed exactly with ``KnownLessons``.

    Args:
        method: of credit.
        is_on_policy: each response is trained on once, by the policy that wrote it.
        group_fits: the largest group that can be is within one forward.
    """
    if is_on_policy and "old_log_probs" not in method.needs:
        return OnPolicyLessons
    if is_on_policy and method.scope == "group" and group_fits:
        return GroupLessons
    return KnownLessons
