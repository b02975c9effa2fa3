"""Which sandbox is used here: the strongest one that proves itself, chosen once, and never silently none."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from spro.errors import SandboxError, SandboxUnavailableError
from spro.verify.sandbox.bubblewrap import BubblewrapCage
from spro.verify.sandbox.cage import Cage, Level
from spro.verify.sandbox.canaries import CANARIES, HONEST, PROOF, check
from spro.verify.sandbox.landlock import LandlockCage
from spro.verify.sandbox.plain import PlainCage
from spro.verify.sandbox.sandbox import Sandbox
from spro.verify.verdict import one_line

_logger = logging.getLogger("spro.verify")

UNSAFE_FLAG = "--i-understand-unsafe-code-execution"
_REMEDY = (
    "what helps: apt-get install bubblewrap; in Docker, --security-opt seccomp=unconfined --security-opt"
    " apparmor=unconfined, or a profile that allows user namespaces; or train on math only"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rung of the ladder.

    Attributes:
        level: its name.
        make: builds the cage, or raises ``SandboxError`` where it cannot work.
    """

    level: Level
    make: Callable[[], Cage]


CANDIDATES = (Candidate(Level.BUBBLEWRAP, BubblewrapCage), Candidate(Level.LANDLOCK, LandlockCage))
"""From strong to weak."""


def choose_sandbox(wanted: str = "auto", *, allow_unsafe: bool = False) -> Sandbox:
    """The strongest sandbox that works here, proven by programs that try to get out and by one that does honest work.

    Args:
        wanted: the name of a level, or ``auto`` for the first of bubblewrap and landlock.
        allow_unsafe: ``none``, which confines nothing, may be used.

    Raises:
        SandboxUnavailableError: no level that is wanted works, or ``none`` is wanted without ``allow_unsafe``.
    """
    if wanted not in ("auto", *Level):
        levels = ", ".join(("auto", *Level))
        raise SandboxUnavailableError(f"sandbox={wanted} is unknown; it is one of {levels}")
    if wanted == Level.NONE:
        return _unsafe(allow_unsafe)
    failures: list[str] = []
    for candidate in CANDIDATES:
        if wanted not in ("auto", candidate.level):
            continue
        why = f"{'; '.join(failures)}; so {candidate.level}" if failures else f"{candidate.level} works here"
        try:
            sandbox = Sandbox(candidate.make(), why)
            check(sandbox, (HONEST, *CANARIES))
        except SandboxError as error:
            failures.append(one_line(f"{candidate.level} does not work: {error}", 300))
            continue
        if failures:
            _logger.warning("code runs in a weaker sandbox: %s", why)
        return sandbox
    other = "; or try verify.code.sandbox=landlock" if wanted == Level.BUBBLEWRAP else ""
    remedy = f"{_REMEDY}{other}"
    raise SandboxUnavailableError(f"code cannot be run safely here: {'; '.join(failures)}; {remedy}")


def _unsafe(is_allowed: bool) -> Sandbox:
    if not is_allowed:
        raise SandboxUnavailableError(
            f"sandbox=none lets a model's programs do whatever you can do; it needs {UNSAFE_FLAG}"
        )
    sandbox = Sandbox(PlainCage(), "none was asked for; programs can do whatever you can do")
    try:
        check(sandbox, (PROOF,))
    except SandboxError as error:
        raise SandboxUnavailableError(f"programs cannot even run without a sandbox: {error}") from error
    _logger.warning("code runs without a sandbox: a model's programs can do whatever you can do")
    return sandbox
