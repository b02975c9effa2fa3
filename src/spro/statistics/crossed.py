"""Two methods trained with the same seeds, scored on the same problems: seeds and problems are both drawn."""

import numpy as np
from jaxtyping import Float

from spro.errors import StatisticsError
from spro.statistics.estimate import Difference
from spro.statistics.paired import problem_difference, shrunk_mean, student


def crossed_difference(a: Float[np.ndarray, "S n"], b: Float[np.ndarray, "S n"]) -> Difference:
    """Mean score of ``a`` minus that of ``b`` over S seeds and n problems, for other seeds and other problems.

    Seeds and problems are crossed random effects:

        d[s, i] = mu + seed_s + problem_i + rest_si
        se^2 = problems + max(MS_seed - MS_rest, 0) / (S n)

    ``problems`` is the squared standard error over problems of the mean over seeds, which holds the rest; the second
    summand is the variance of the seeds over S, by the mean squares of the two-way layout. Quantile and p-value are
    Student's, the degrees of freedom those of Satterthwaite (Biometrics Bulletin 2, 1946), with all of MS_seed as what
    S - 1 degrees were spent on: with the difference alone the error of the first kind is up to 8 % at three seeds.

    One seed says nothing of seeds: with S = 1 this is ``paired_difference``, and speaks of these two trained models,
    not of the two methods. Two seeds are too few (up to 11 % false alarms where seeds matter).

    Args:
        a: scores in [0, 1]; row s is the model trained with seed s, column i is problem i.
        b: the same of the other method, seeds and problems in the same order.

    Returns:
        ``n`` counts problems; ``se`` holds both parts.

    Raises:
        StatisticsError: not two equal tables with at least one seed and one problem, or a score outside [0, 1] or NaN.
    """
    return mean_of_differences(checked_table(a, "a") - checked_table(b, "b", np.shape(a)))


def mean_of_differences(differences: Float[np.ndarray, "S n"]) -> Difference:
    """The mean of one difference a seed and problem."""
    if len(differences) == 1:
        return problem_difference(differences[0])
    center, se, degrees = crossed_mean(differences)
    low, high, p_value = student(center, se, degrees)
    n = differences.shape[1]
    return Difference(float(differences.mean()), float(se), float(low), float(high), float(p_value), n)


def crossed_mean(
    differences: Float[np.ndarray, "*evaluations S n"],
) -> tuple[Float[np.ndarray, "*evaluations"], Float[np.ndarray, "*evaluations"], Float[np.ndarray, "*evaluations"]]:
    """Center, standard error and degrees of freedom of the interval, for two seeds or more."""
    seeds, n = differences.shape[-2:]
    by_problem, by_seed = differences.mean(axis=-2), differences.mean(axis=-1)
    center, problems_se = shrunk_mean(by_problem)
    mean = by_seed.mean(axis=-1)
    rest = differences - by_problem[..., None, :] - by_seed[..., None] + mean[..., None, None]
    rest_degrees = max((seeds - 1) * (n - 1), 1)
    rest_square = np.square(rest).sum(axis=(-2, -1)) / rest_degrees
    seed_square = n * by_seed.var(axis=-1, ddof=1)
    seeds_part = np.maximum(seed_square - rest_square, 0.0) / (seeds * n)
    variance = np.square(problems_se) + seeds_part
    doubt = problems_se**4 / max(n - 1, 1) + np.square(seed_square / (seeds * n)) / (seeds - 1)
    return center, np.sqrt(variance), np.square(variance) / doubt


def checked_table(
    scores: Float[np.ndarray, "S n"], name: str, shape: tuple[int, ...] | None = None
) -> Float[np.ndarray, "S n"]:
    """The scores, which must lie in [0, 1].

    Args:
        scores: one a seed and problem.
        name: what the message calls them.
        shape: that they must have; any where it is None.

    Raises:
        StatisticsError: see ``crossed_difference``.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise StatisticsError(f"{name} has the shape {table.shape}; it must be [seeds, problems], one of each at least")
    if shape is not None and table.shape != shape:
        raise StatisticsError(f"a has the shape {shape} and {name} {table.shape}; seeds and problems must be the same")
    wrong = np.argwhere(~((table >= 0) & (table <= 1)))
    if wrong.size:
        seed, problem = wrong[0]
        raise StatisticsError(
            f"{name}: seed {seed}, problem {problem} has the score {table[seed, problem]}; scores lie in [0, 1]"
        )
    return table
