"""Loading models, the frozen reference, and the log-probs of responses."""

from spro.models.loading import Policy, frozen_copy, load_policy
from spro.models.scoring import TokenScores, response_log_probs, score_responses
from spro.models.sequences import Sequences, concatenate_rows

__all__ = [
    "Policy",
    "Sequences",
    "TokenScores",
    "concatenate_rows",
    "frozen_copy",
    "load_policy",
    "response_log_probs",
    "score_responses",
]
