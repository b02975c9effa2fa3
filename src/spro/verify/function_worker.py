"""The worker behind ``spro.verify.function``: imports one reward function and calls it, batch by batch.

Run by the pool as ``python -I -m spro.verify.function_worker PATH``; never imported by the trainer.

Request: ``origin`` (``settings``, ``sys_path``, ``directory`` and ``environment``, as the trainer has them) and either
``names``, of the columns that will be given, to find out whether the function can be used; or ``columns``, to call it.
Answer: ``problem``, empty unless the function cannot be used, and ``rewards``.
"""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from spro.verify.workers.serve import serve

Origin = Mapping[str, Any]
Function = Callable[..., Any]


class FunctionFailedError(Exception):
    """The function raised what has a meaning of its own between worker and pool."""


class Caller:
    """Holds the function once it is made; a user's cache or connection lives as long as the worker."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.function: Function | None = None

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Examine or call the function."""
        try:
            if self.function is None:
                self.function = _make(self.path, request["origin"])
            function = self.function
        except Exception as error:
            return {"problem": f"{type(error).__name__}: {error}", "rewards": None}
        if "columns" not in request:
            return {"problem": _missing(function, request["names"]), "rewards": None}
        # What TRL gives beside the columns.
        extras = {"trainer_state": None, "log_extra": _ignore, "log_metric": _ignore}
        try:
            rewards = function(**_understood(function, {**extras, **request["columns"]}))
            if inspect.iscoroutine(rewards):
                rewards = asyncio.run(rewards)
        except (TimeoutError, MemoryError) as error:
            # Of a service, say; unhandled they would mean that this worker had no time or no memory.
            raise FunctionFailedError(f"{type(error).__name__}: {error}") from error
        return {"problem": "", "rewards": _plain(rewards)}


def _make(path: str, origin: Origin) -> Function:
    os.chdir(origin["directory"])
    os.environ.update(origin["environment"])
    sys.path[:] = origin["sys_path"]
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    function = found if origin["settings"] is None else _made(path, found, origin["settings"])
    if not callable(function):
        raise TypeError(f"{path} is a {type(function).__name__}, not a function")
    return function


def _made(path: str, maker: Function, settings: Mapping[str, Any]) -> Function:
    known = inspect.signature(maker).parameters
    if "completions" in known:
        raise TypeError(f"{path} is the function itself and takes no settings; leave them out")
    for name in settings.keys() - known.keys():
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            raise TypeError(f"{path} has no setting {name!r}; it has {', '.join(known)}")
    function: Function = maker(**settings)
    return function


def _missing(function: Function, names: Collection[str]) -> str:
    """Parameters that nothing will fill, as one line with the remedy."""
    if inspect.isclass(function):
        return "it is a class; give its settings, {} if it has none"
    required = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and parameter.name not in {*names, "trainer_state", "log_extra", "log_metric"}
    ]
    if not required:
        return ""
    first = required[0]
    return (
        f"it wants {first!r}; say which column that is, columns: {{{first}: ...}}, or, if it is a setting, settings: "
        f"{{{first}: ...}}; there are {', '.join(sorted(names))}"
    )


def _understood(function: Function, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """All arguments for a function with ``**columns``, else those that it names."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return arguments
    return {parameter.name: arguments[parameter.name] for parameter in parameters if parameter.name in arguments}


def _plain(rewards: Any) -> Any:
    """Lists, arrays and tensors of numbers as a list; anything else is left for the trainer to refuse."""
    rewards = rewards.tolist() if hasattr(rewards, "tolist") else rewards
    if not isinstance(rewards, list | tuple):
        return f"a {type(rewards).__name__}"
    items = [item.item() if hasattr(item, "item") else item for item in rewards]
    return [item if item is None or isinstance(item, bool | int | float) else repr(item)[:80] for item in items]


def _ignore(*_: object, **__: object) -> None:
    """The trainer's metrics are its own."""


def _leave_free() -> None:
    """A user's code may read what it likes and write as much."""


if __name__ == "__main__":
    serve(Caller(sys.argv[1]).answer, confine=_leave_free)
