"""What this machine offers for confining programs, for ``spro doctor``."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from spro.errors import SandboxError, SandboxUnavailableError
from spro.verify.sandbox import landlock_launcher, seccomp
from spro.verify.sandbox.cage import Level
from spro.verify.sandbox.ladder import choose_sandbox
from spro.verify.sandbox.uids import FIRST


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """The sandbox that would be used, and what it was chosen from.

    Attributes:
        level: the strongest that works; ``None`` when none does.
        why: one line.
        uid: user that programs would run as.
        user_namespaces: how many may be made, 0 where that is forbidden; ``None`` where unknown.
        landlock_abi: version of the kernel's interface; 0 where it has none.
        seccomp: whether there is a filter of system calls for this machine.
        cgroup_delegated: whether this process may make control groups (version 2) of its own.
    """

    level: Level | None
    why: str
    uid: int
    user_namespaces: int | None
    landlock_abi: int
    seccomp: bool
    cgroup_delegated: bool

    def lines(self) -> list[str]:
        """For people, one fact a line."""
        spaces = "unknown" if self.user_namespaces is None else str(self.user_namespaces)
        return [
            f"sandbox: {self.level or 'unavailable'} ({self.why})",
            f"programs run as user: {self.uid}",
            f"user namespaces allowed: {spaces}",
            f"landlock version: {self.landlock_abi or 'not offered'}",
            f"system call filter: {'yes' if self.seccomp else 'none for this machine'}",
            f"control groups delegated: {'yes' if self.cgroup_delegated else 'no; memory is watched from outside'}",
        ]


def examine_sandbox() -> SandboxReport:
    """Look at this machine; takes as long as choosing a sandbox does. Nothing is raised."""
    level: Level | None = None
    try:
        sandbox = choose_sandbox()
        level, why = sandbox.level, sandbox.why
    except SandboxUnavailableError as error:
        why = str(error)
    return SandboxReport(
        level=level,
        why=why,
        uid=FIRST if os.geteuid() == 0 else os.geteuid(),
        user_namespaces=_user_namespaces(),
        landlock_abi=landlock_launcher.abi(),
        seccomp=_has_filter(),
        cgroup_delegated=_is_delegated(),
    )


def _user_namespaces() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        switch = Path("/proc/sys/kernel/unprivileged_userns_clone")
        if switch.exists() and switch.read_text().strip() == "0":
            return 0
        return int(Path("/proc/sys/user/max_user_namespaces").read_text())
    return None


def _has_filter() -> bool:
    try:
        return bool(seccomp.program())
    except SandboxError:
        return False


def _is_delegated() -> bool:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, _, path = line.split(":", 2)
            if number == "0":
                return os.access(f"/sys/fs/cgroup{path}/cgroup.subtree_control", os.W_OK)
    return False
