"""The bootstrap over few units, widened to what few units can say."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import special

from spro.statistics.estimate import CONFIDENCE

RESAMPLES = 10_000
TAIL = (1 - CONFIDENCE) / 2


@lru_cache(maxsize=2)
def resampled_counts(units: int, seed: int) -> Float[np.ndarray, "R units"]:
    """How often each unit is drawn in each of R = ``RESAMPLES`` bootstrap samples; not to be written into.

    The last two tables are kept: that of 1,024 units has 82 MB and takes most of a second, and a page asks for the same
    one with every measure.
    """
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(units, np.full(units, 1 / units), size=RESAMPLES).astype(np.float64)
    counts.flags.writeable = False
    return counts


def widening(units: int) -> float:
    """What deviations of the bootstrap are multiplied with: sqrt(U / (U - 1)) t / z.

    The variance of resampled means is (U - 1) / U of the unbiased one, and their percentiles are those of a variance
    that is known (Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69, 2015).
    2.7 for three units, 1.6 for five, 1.2 for ten.
    """
    ratio = special.stdtrit(units - 1, 1 - TAIL) / special.ndtri(1 - TAIL)
    return float(np.sqrt(units / (units - 1)) * ratio)
