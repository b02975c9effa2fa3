"""Numbers with the error that they have: intervals, tests and corrections for evaluations and comparisons.

numpy and scipy; nothing of models or files. What is drawn by chance is a problem, a seed or a group of rollouts, never
a sample or a token: those of one problem stand or fall together. Which interval stands where, and how often each of
them holds the truth, is said and measured in ``docs/statistics.md``.

    estimate    the records
    samples     from samples to one number a problem
    proportion  the interval of a share
    average     avg@k
    pass_at_k   pass@k
    paired      two models on the same problems
    crossed     two methods, several seeds, the same problems
    columns     the mean of the columns of a table
    correction  many comparisons
    resampling  the bootstrap over few units
    band        learning curves over seeds
    reach       how long it takes to reach a target
    agreement   correlation and agreement in sign, by groups
"""

from spro.statistics.agreement import correlation, sign_agreement
from spro.statistics.average import average_score
from spro.statistics.band import Band, seed_band
from spro.statistics.columns import column_average, column_difference, crossed_average
from spro.statistics.correction import holm
from spro.statistics.crossed import crossed_difference
from spro.statistics.estimate import Agreement, Difference, Estimate
from spro.statistics.paired import paired_difference
from spro.statistics.pass_at_k import pass_at_k
from spro.statistics.reach import Ratio, Reach, ratio_of_times, time_to_reach

__all__ = [
    "Agreement",
    "Band",
    "Difference",
    "Estimate",
    "Ratio",
    "Reach",
    "average_score",
    "column_average",
    "column_difference",
    "correlation",
    "crossed_average",
    "crossed_difference",
    "holm",
    "paired_difference",
    "pass_at_k",
    "ratio_of_times",
    "seed_band",
    "sign_agreement",
    "time_to_reach",
]
