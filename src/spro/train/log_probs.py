"""Log-probs of the responses by the policy itself and by its reference."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from spro.models import Reference
from spro.train.compute import cost_of, read
from spro.train.experience import Experience
from spro.train.optimizer import State
from spro.train.reference import ReferenceUpdate
from spro.train.source import Scoring, Source, Stats


@dataclass(frozen=True)
class OldLogProbs(Source):
    """The policy before the update, by a forward of its own; held where the pass that trains cannot give them."""

    policy: PreTrainedModel
    scoring: Scoring
    tensor: ClassVar[str] = "old_log_probs"

    def score(self, experience: Experience) -> tuple[Tensor, Stats]:
        """See ``Source``."""
        return self.scoring.log_probs(self.policy, experience), {}

    def flos(self, experience: Experience) -> int:
        """See ``Source``."""
        return cost_of(self.policy).forward(read(experience.sequences))


@dataclass(frozen=True)
class RefLogProbs(Source):
    """The reference, and how it follows the policy."""

    policy: PreTrainedModel
    reference: Reference
    update: ReferenceUpdate
    scoring: Scoring
    tensor: ClassVar[str] = "ref_log_probs"

    def score(self, experience: Experience) -> tuple[Tensor, Stats]:
        """See ``Source``."""
        with self.reference.ready() as model:
            return self.scoring.log_probs(model, experience), {}

    def flos(self, experience: Experience) -> int:
        """See ``Source``; as of the policy, of which it is a copy."""
        return cost_of(self.policy).forward(read(experience.sequences))

    def follow(self, step: int) -> None:
        """See ``Source``."""
        self.update.apply(self.reference, self.policy, step)

    def state(self) -> State:
        """Of a reference that moves; a frozen one is made again from the initial policy."""
        return self.reference.state()

    def load(self, state: State) -> None:
        """See ``Source``."""
        self.reference.load(state)


@dataclass(frozen=True)
class OldAsRefLogProbs(Source):
    """The policy's own old log-probs in the place of a reference's (PRIME's ``ref_type: policy``)."""

    old: OldLogProbs
    tensor: ClassVar[str] = "ref_log_probs"

    def score(self, experience: Experience) -> tuple[Tensor, Stats]:
        """See ``Source``; no second forward where they are there already."""
        found = experience.batch.old_log_probs
        return (found, {}) if found is not None else self.old.score(experience)

    def flos(self, experience: Experience) -> int:
        """See ``Source``."""
        return self.old.flos(experience) if experience.batch.old_log_probs is None else 0
