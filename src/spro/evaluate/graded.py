"""Whether enough of the answers could be graded to go on."""

from collections.abc import Iterable

from spro.errors import WorkerError
from spro.train.group import Group
from spro.verify import Status


def check_graded(groups: Iterable[Group], max_share: float) -> None:
    """Refuse answers of which too many could not be graded, before they are written.

    Args:
        groups: with the verdicts of all answers.
        max_share: ``verify.max_unscored_share``.

    Raises:
        WorkerError: more than this share could not be graded; tells why the first could not.
    """
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    unscored = [verdict for verdict in verdicts if verdict.status is Status.UNSCORED]
    if len(unscored) > max_share * len(verdicts):
        raise WorkerError(
            f"{len(unscored)} of {len(verdicts)} answers could not be graded, more than verify.max_unscored_share = "
            f"{max_share:.0%}; the first: {unscored[0].detail or 'no reason given'}. These are not written: mend it, "
            "and go on with --resume"
        )
