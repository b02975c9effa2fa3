"""Which methods can be made of what is there, and why the others cannot."""

from collections.abc import Mapping, Set
from dataclasses import MISSING, dataclass, fields
from typing import Any

from spro.credit import METHODS, Method
from spro.errors import ConfigError
from spro.lab.microscope.config import Request
from spro.lab.microscope.subject import TRAINED, Subject
from spro.named import Registry
from spro.train.experience import GROUP_TENSORS

JUDGED = "step_rewards"
"""The tensor that nothing but the exact truth makes here."""
GIVEN = {
    **TRAINED,
    "greedy_rewards": "a greedy response",
    "step_values": "rollouts from every step",
    JUDGED: "the truth",
}
"""Optional tensor -> what a method has beside the responses and their log-probs if it reads it."""


@dataclass(frozen=True)
class Choice:
    """What is looked at.

    Attributes:
        methods: by name, with their hyper-parameters.
        left_out: name -> why.
    """

    methods: Mapping[str, Method]
    left_out: Mapping[str, str]

    @property
    def needs(self) -> frozenset[str]:
        """Optional tensors of ``TokenBatch`` that some method reads."""
        return frozenset[str]().union(*(method.needs for method in self.methods.values()))


def choose_methods(request: Request, subject: Subject, truths: Set[str]) -> Choice:
    """The methods of a request that can be made.

    Raises:
        ConfigError: a hyper-parameter is wrong or missing, or no method is left.
    """
    made = {*subject.makers, *GROUP_TENSORS, *([JUDGED] if "exact" in truths else [])}
    methods: dict[str, Method] = {}
    left_out: dict[str, str] = {}
    for name in request.config.methods:
        missing = sorted(METHODS[name].needs - made)
        if missing:
            left_out[name] = f"needs {missing[0]}, and {_why_not(missing[0])}"
        else:
            methods[name] = _build(name, request.credit.get(name, {}), subject)
    if not methods:
        name, why = next(iter(left_out.items()))
        raise ConfigError(f"no method can be made of {request.target!r}: {name} {why}")
    return Choice(methods, left_out)


def given_to(method: Method) -> str:
    """What a method has beside the responses and their log-probs; empty for most."""
    return ", ".join(text for tensor, text in GIVEN.items() if tensor in method.needs)


def _why_not(tensor: str) -> str:
    if tensor in TRAINED:
        return f"{TRAINED[tensor]} is not here: look at a run whose method trains one"
    if tensor == JUDGED:
        return "nothing here judges steps but the exact truth of the task chain, with truth=exact or auto"
    return "nothing here makes it"


def _build(name: str, hyper_parameters: Mapping[str, Any], subject: Subject) -> Method:
    """With what was set, else what the run was trained with, else the defaults; a limit on length is the rollouts'."""
    config = subject.config
    own = config.credit.hyper_parameters if config.credit.type == name else {}
    limit = {"max_response_length": config.rollout.max_response_length}
    asked = {field.name for field in fields(METHODS[name]) if field.default is MISSING}  # type: ignore[arg-type]
    stated = {key: value for key, value in limit.items() if key in asked}
    registry: Registry[Method] = Registry(f"credit.{name}", "method", METHODS, frozenset())
    return registry.build(name, {**stated, **own, **hyper_parameters})
