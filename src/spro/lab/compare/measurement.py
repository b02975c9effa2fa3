"""What the program that measures a policy is told: its one argument."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Measurement:
    """What is measured, and where the numbers go.

    Attributes:
        config: file with the settings of the run.
        model: a checkpoint of the run; None for the model that it begins with.
        to: the file to write.
        seed: of the sampling.
        problems_seed: of the held-out problems.
        samples: answers to each problem.
        greedy: whether a greedy one stands beside them.
        problems: the first so many; None for all.
        allow_unsafe: see ``Grading``.
    """

    config: str
    model: str | None
    to: str
    seed: int
    problems_seed: int
    samples: int
    greedy: bool
    problems: int | None
    allow_unsafe: bool

    @property
    def words(self) -> str:
        """It as the argument of the program."""
        return json.dumps(asdict(self))
