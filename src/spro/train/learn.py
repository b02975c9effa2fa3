"""What a step learns: score, assign credit, update (Algorithm 1, lines 9 to 13). It knows no credit method by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.config import Config
from spro.credit import Credit, Method
from spro.models import Policy
from spro.train.experience import Experience, gather_experience
from spro.train.group import Group
from spro.train.lessons import Teacher
from spro.train.metrics import Metrics, credit_metrics, to_metrics
from spro.train.source import Source, Stats
from spro.train.stopwatch import Stopwatch
from spro.train.update import Updater


@dataclass(frozen=True)
class Learned:
    """What a step was made of, and what it measured.

    Attributes:
        flos: model FLOPs of scoring and learning.
    """

    groups: Sequence[Group]
    experience: Experience
    credit: Credit
    metrics: Metrics
    flos: int

    @property
    def skipped(self) -> dict[str, float]:
        """Share of the optimizer steps that were skipped, of each model that skipped one, under the metric's name."""
        return {name: share for name, share in self.metrics.items() if name.endswith("skipped_updates") and share}


@dataclass(frozen=True)
class Learner:
    """The policy, and the models beside it, in the order in which they read each other's tensors."""

    config: Config
    policy: Policy
    needs: frozenset[str]
    sources: Sequence[Source]
    method: Method
    teacher: Teacher
    updater: Updater

    def learn(self, groups: Sequence[Group], watch: Stopwatch) -> Learned:
        """Learn from groups, at least one; all that moves has moved behind it."""
        stats: Stats = {}
        with watch.time("score"):
            experience = gather_experience(groups, self.needs, self.policy.pad_token_id, self.policy.model.device)
            flos = self.updater.flos(experience)
            for source in self.sources:
                flos += source.flos(experience)
                tensor, measured = source.score(experience)
                experience = experience.with_tensor(source.tensor, tensor)
                stats |= measured
        learning_rate = self.updater.optimizer.learning_rate
        with watch.time("update"):
            lessons = self.teacher(self.method, experience)
            stats |= vars(self.updater.update(experience, lessons))
            experience, credit = lessons.review()
            for source in self.sources:
                stats |= source.learn(experience)
        stats |= credit_metrics(experience, credit)
        return Learned(groups, experience, credit, {**to_metrics(stats), "learning_rate": learning_rate}, flos)

    def follow(self, step: int) -> None:
        """The policy is now that behind ``step`` (from 1)."""
        self.updater.optimizer.follow(step)
        for source in self.sources:
            source.follow(step)
