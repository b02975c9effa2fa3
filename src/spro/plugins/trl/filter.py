"""The accuracy filter: more prompts are rolled out than are trained on."""

import math
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spro.errors import ConfigError, RewardError
from spro.window import AccuracyWindow


@dataclass(frozen=True)
class AccuracyFilter:
    """Algorithm 1, line 8 of SPRO inside TRL: each process rolls out more groups and trains on the best of its own.

    Attributes:
        window: which mean scores are wanted; others fill what is left.
        oversample_factor: groups rolled out for each that is trained on, at least 1.
        score: name of the reward function that is the verifier, whose scores lie in [0, 1]; not needed beside one.

    Raises:
        ConfigError: ``oversample_factor`` is no integer, or below 1.
    """

    window: AccuracyWindow = field(default_factory=AccuracyWindow)
    oversample_factor: int = 2
    score: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.window, AccuracyWindow):
            raise ConfigError(f"window is {self.window!r}; give an AccuracyWindow(low, high)")
        if type(self.oversample_factor) is not int or self.oversample_factor < 1:
            raise ConfigError(f"oversample_factor is {self.oversample_factor!r}; give a whole number of at least 1")

    def column(self, names: list[str]) -> int:
        """The place of the verifier among the reward functions.

        Raises:
            ConfigError: it is not named, or not one of them.
        """
        if self.score is None and len(names) == 1:
            return 0
        if self.score is None or names.count(self.score) != 1:
            raise ConfigError(
                f"the accuracy filter's score is {self.score!r}; name the one reward function of {names} that judges "
                "whether a response is right"
            )
        return names.index(self.score)

    def choose(self, scores: Float[Tensor, " N"], groups: int, group_size: int) -> tuple[Int[Tensor, " K"], float]:
        """The rows to train on, and the share of their groups that lies in the window.

        Args:
            scores: of the responses of one process, whole groups one behind the other; NaN where there is none.
            groups: how many to keep.
            group_size: responses a group.

        Raises:
            RewardError: a score lies outside [0, 1].
        """
        # The window sees means alone, and that of 1 and -1 lies in [0, 1].
        strange = [score for score in scores.tolist() if not (0 <= score <= 1 or math.isnan(score))]
        if strange:
            raise RewardError(f"the accuracy filter reads scores in [0, 1], and got {strange[0]:g}")
        accuracies = scores.view(-1, group_size).nanmean(dim=1).tolist()
        kept = self.window.choose(accuracies, groups)
        rows = torch.tensor([place * group_size + member for place in kept for member in range(group_size)])
        return rows, sum(self.window.holds(accuracies[place]) for place in kept) / len(kept)


def check_groups(config: Any) -> None:
    """Refuse groups across processes, which the filter could not keep whole.

    Args:
        config: a ``GRPOConfig``.

    Raises:
        ConfigError: one line.
    """
    own = config.per_device_train_batch_size * config.steps_per_generation
    if own % config.num_generations:
        raise ConfigError(
            f"the accuracy filter wants whole groups in each process, and {own} responses a process "
            f"(per_device_train_batch_size * steps_per_generation) are no multiple of "
            f"num_generations={config.num_generations}"
        )


def check_filter(trainer: Any) -> None:
    """Refuse what the filter cannot do in this trainer.

    Raises:
        ConfigError: groups straddle processes, the verifier is not named, or the data is short of one step.
    """
    wanted, args = trainer.accuracy_filter, trainer.args
    # Again, for who gave no config.
    check_groups(args)
    wanted.column(trainer.reward_func_names)
    prompts = args.generation_batch_size // args.num_generations * wanted.oversample_factor
    if hasattr(trainer.train_dataset, "__len__") and len(trainer.train_dataset) < prompts:
        raise ConfigError(
            f"train_dataset has {len(trainer.train_dataset)} prompts, and one step rolls out {prompts} "
            f"(oversample_factor={wanted.oversample_factor})"
        )


@contextmanager
def oversampled(trainer: Any, factor: int) -> Iterator[None]:
    """Inside the block TRL makes loaders whose batches, and whose sampler's, hold ``factor`` times the prompts.

    Both numbers together: with one of them the sampler would hand out each prompt in two batches, or half a batch.
    """
    args, own = trainer.args, trainer._train_batch_size
    whole = args.generation_batch_size
    trainer._train_batch_size, args.generation_batch_size = own * factor, whole * factor
    try:
        yield
    finally:
        trainer._train_batch_size, args.generation_batch_size = own, whole


def widen_logs(trainer: Any, factor: int) -> None:
    """Room for all that is rolled out in the table of completions."""

    def log() -> "deque[Any]":
        return deque(maxlen=trainer.args.generation_batch_size * factor)

    for name, held in trainer._logs.items():
        trainer._logs[name] = log() if isinstance(held, deque) else defaultdict(log)
