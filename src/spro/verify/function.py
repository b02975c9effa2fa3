"""A reward function with TRL's signature, named by its dotted path, in a process of its own.

    def reward(prompts, completions, **columns) -> list[float | None]

It is a user's code, or a library's, and it is the part of a run that hangs. In a process it can be ended; its crash is
not the run's; and it is on a main thread, where ``signal.alarm``, on which math-verify's time limits rest, works.
"""

import contextlib
import math
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from spro.errors import ConfigError, RewardError, WorkerError
from spro.verify.closing import Closing
from spro.verify.verdict import Status, Verdict, one_line
from spro.verify.verifier import Answer
from spro.verify.workers.pool import WorkerPool
from spro.verify.workers.wire import Outcome

# No limit of address space: a function may load torch, or a model.
_UNLIMITED = 2**62
_START_TIMEOUT_S = 300.0
_DETAIL = 400  # characters; an error of a user's own code is worth more than one of ours
_GIVEN = ("prompts", "completions", "completion_ids", "ground_truth")


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """Which function, made how, given what.

    Attributes:
        path: ``package.module.function``; found as ``python`` would from the working folder.
        settings: with any, even none (``{}``), ``path`` is called with them and returns the function, as
            ``trl.rewards.get_soft_overlong_punishment`` does; ``None`` takes ``path`` itself.
        columns: parameter of the function -> column of the data. Every column is given under its own name too.
        timeout_s: seconds of one call, which is given a whole batch.
    """

    path: str
    settings: Mapping[str, object] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0


class RewardFunction(Closing):
    """Calls a reward function in its worker process; close it, or use it as a context manager.

    Args:
        source: which.
        columns: that the answers will have, beside those that all have.

    Raises:
        ConfigError: the path is none, or the timeout is not positive.
    """

    def __init__(self, source: FunctionSource, columns: Collection[str] = ()) -> None:
        if not all(part.isidentifier() for part in source.path.split(".")) or "." not in source.path:
            raise ConfigError(f"{source.path!r} is no dotted path to a function, such as my_rewards.brevity")
        self.source = source
        self._known = frozenset((*_GIVEN, *columns))
        self._pool = WorkerPool(
            1,
            source.timeout_s,
            _UNLIMITED,
            program=("-m", "spro.verify.function_worker", source.path),
            start_timeout_s=_START_TIMEOUT_S,
            # Whoever keeps a cache or a connection keeps it.
            calls_per_worker=sys.maxsize,
        )

    def prepare(self) -> str:
        """Import and make the function now, and see that its parameters will be filled.

        Raises:
            ConfigError: it is not there, cannot be made, or wants a column that there is not; says why.
        """
        for parameter, column in self.source.columns.items():
            if column not in self._known:
                raise ConfigError(
                    f"the reward function {self.source.path!r} is to get the column {column!r} as {parameter!r}, and "
                    f"there are {', '.join(sorted(self._known))}"
                )
        try:
            reply = self._pool.ask({"origin": self._origin(), "names": sorted({*self._known, *self.source.columns})})
        except (WorkerError, TypeError) as error:
            raise ConfigError(one_line(f"the reward function {self.source.path!r} cannot be used: {error}")) from error
        if reply.outcome is not Outcome.ANSWERED:
            raise ConfigError(
                f"the reward function {self.source.path!r} was not imported within {self.source.timeout_s:g} s"
            )
        if problem := reply.body["problem"]:
            raise ConfigError(one_line(f"the reward function {self.source.path!r} cannot be used: {problem}", _DETAIL))
        return f"reward function {self.source.path}"

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        """One number for each answer; ``None`` where the function says that it does not apply.

        Raises:
            WorkerError: the function raised or died, twice, or took too long; says why.
            RewardError: it returned something else than a list of finite numbers and ``None``, one an answer.
        """
        if not answers:
            return []
        path = self.source.path
        try:
            reply = self._pool.ask({"origin": self._origin(), "columns": self._columns(answers)})
        except WorkerError as error:
            raise WorkerError(one_line(f"the reward function {path!r}: {error}", _DETAIL)) from error
        except TypeError as error:
            raise RewardError(f"a column for the reward function {path!r} is no plain data: {error}") from error
        if reply.outcome is not Outcome.ANSWERED:
            limit = f" after {self.source.timeout_s:g} s" if reply.outcome is Outcome.TIMEOUT else ""
            raise WorkerError(f"the reward function {path!r} ended in {reply.outcome}{limit}")
        if problem := reply.body["problem"]:
            raise WorkerError(one_line(f"the reward function {path!r}: {problem}"))
        return _checked(path, reply.body["rewards"], len(answers))

    def close(self) -> None:
        """End the process."""
        self._pool.close()

    def _origin(self) -> dict[str, object]:
        # The worker is started isolated, as all are; a user's function needs the user's path and variables.
        return {
            "settings": self.source.settings,
            "directory": os.getcwd(),
            "sys_path": ["", *sys.path],
            "environment": dict(os.environ),
        }

    def _columns(self, answers: Sequence[Answer]) -> dict[str, object]:
        given = {
            "prompts": [list(answer.prompt) for answer in answers],
            "completions": [[{"role": "assistant", "content": answer.response}] for answer in answers],
            "completion_ids": [list(answer.token_ids) for answer in answers],
            "ground_truth": [answer.ground_truth for answer in answers],
        }
        names = sorted({name for answer in answers for name in answer.columns})
        given |= {name: [answer.columns.get(name) for answer in answers] for name in names}
        return given | {parameter: given[column] for parameter, column in self.source.columns.items()}


class FunctionVerifier(Closing):
    """A reward function in a verifier's place: its number is the score.

    Args:
        function: of which every number lies in [0, 1]; ``None`` is ``unscored``. Closed with this.
    """

    def __init__(self, function: RewardFunction) -> None:
        self._function = function

    def prepare(self) -> str:
        """Import the function; see ``RewardFunction.prepare``."""
        return self._function.prepare()

    def grade(self, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict for each answer; ``unscored`` when the function failed.

        Raises:
            RewardError: a number outside [0, 1], or no number.
        """
        try:
            scores = self._function(answers)
        except WorkerError as error:
            return [Verdict(None, Status.UNSCORED, detail=one_line(str(error)))] * len(answers)
        return [_verdict(score) for score in scores]

    def close(self) -> None:
        """End the function's process."""
        self._function.close()


def _verdict(score: float | None) -> Verdict:
    if score is None:
        return Verdict(None, Status.UNSCORED, detail="the reward function gave None")
    status = {0.0: Status.WRONG, 1.0: Status.CORRECT}.get(score, Status.PARTIAL)
    return Verdict(score, status)


def _checked(path: str, rewards: object, count: int) -> list[float | None]:
    if not isinstance(rewards, list) or len(rewards) != count:
        what = f"{len(rewards)} values" if isinstance(rewards, list) else rewards
        raise RewardError(f"the reward function {path!r} returned {what} for {count} completions")
    return [_number(path, reward, row) for row, reward in enumerate(rewards)]


def _number(path: str, reward: object, row: int) -> float | None:
    if reward is None:
        return None
    with contextlib.suppress(OverflowError):
        if isinstance(reward, int | float) and math.isfinite(number := float(reward)):
            return number
    raise RewardError(
        one_line(
            f"the reward function {path!r} returned {_shown(reward)} for completion {row}; return a finite number, "
        )
        + "or None where it does not apply"
    )


def _shown(reward: object) -> str:
    # Python refuses to print integers of thousands of digits.
    return "a number beyond all floats" if isinstance(reward, int) else repr(reward)
