"""Every error that spro raises on purpose, and what becomes of it.

Two kinds, told apart by who can mend them:

- ``UserError``: the input is wrong. The command line prints its one line (what, which value, where, what to do) and
  exits with 2. Nothing is half written when it is raised.
- ``SproError`` that is not a ``UserError``: something of ours or of the machine failed. Exit code 1.

A response that cannot be graded is neither: it is data, a ``Verdict`` with the status ``unscored``.

To add one: subclass ``UserError``, keep the message one line, name the value and the remedy.
"""


class SproError(Exception):
    """Root of everything that spro raises on purpose."""


class UserError(SproError, ValueError):
    """The input is wrong and its author can mend it; the message is one line for them."""


class ConfigError(UserError):
    """A setting is unknown, of the wrong type, or impossible beside another one."""


class DataError(UserError):
    """A data file is missing, unreadable or without a usable row."""


class ModelError(UserError):
    """A model folder is missing, unreadable or of a kind that spro cannot run."""


class RunFolderError(UserError):
    """The run folder exists already, cannot be written, or is not a run folder."""


class BatchError(UserError):
    """Tensors handed to a credit method contradict one another, or one that it needs is missing."""


class RewardError(UserError):
    """A verifier returned a score that is no score (NaN, or outside [0, 1])."""


class StatisticsError(UserError):
    """Numbers that nothing can be estimated from: none at all, unequal in number, or no scores."""


class WorkerError(SproError):
    """A verifier's worker process failed for a reason that is not the response's fault."""


class TrainingError(SproError):
    """Training cannot go on: the numbers went bad, or too little could be scored."""


class SandboxUnavailableError(ConfigError):
    """No sandbox works here that may run a model's code; the message says what was tried and what to do."""


class SandboxError(SproError):
    """A sandbox failed for a reason that is not the program's in it."""
