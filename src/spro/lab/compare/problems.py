"""Which held-out problems the final policies are measured on: the same for every run, however often it is resumed."""

from collections.abc import Sequence

from spro.config import FileTask, TaskConfig
from spro.errors import ConfigError


def problems_seed(task: TaskConfig, seeds: Sequence[int]) -> int:
    """The seed that draws them.

    Args:
        task: of all runs.
        seeds: of the comparison.

    Raises:
        ConfigError: what one of the seeds holds out, another would train on.
    """
    # No seed trains on a generated problem that any seed holds out, and problems in a file of their own are no draw.
    if not isinstance(task, FileTask) or task.held_out_path:
        return 0
    if len(seeds) > 1:
        raise ConfigError(
            "run.task.held_out_problems takes other problems out for each seed, and what one seed holds out another "
            "trains on: put them into a file and set run.task.held_out_path, or compare with one seed"
        )
    return seeds[0]
