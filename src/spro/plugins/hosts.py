"""Which trainers of others are installed here, whether spro is in them, and what of them nobody has tried with it."""

import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass

PROBE_S = 180.0
"""Seconds that a host may take to start; verl takes ten on a slow machine."""
_MARK = "spro-probe:"


@dataclass(frozen=True)
class Host:
    """A trainer of others.

    Attributes:
        name: of its distribution and module.
        tested: versions in which the project's tests run.
        untested: what they do not run in those.
        probe: Python that leaves in a list ``found`` what is missing; runs in a process of its own.
    """

    name: str
    tested: tuple[str, ...]
    untested: str
    probe: str

    def version(self) -> str | None:
        """The installed one."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return None

    def doubt(self) -> str:
        """A warning where nobody tried the installed version; empty where somebody did."""
        version = self.version()
        is_known = version is None or version in self.tested
        return "" if is_known else f"{self.name} {version} is untested with spro (tested: {', '.join(self.tested)})"

    def examine(self) -> tuple[str, bool]:
        """One line on it, and whether that is as it ought to be: it is not there, or spro is in it."""
        version = self.version()
        if version is None:
            return f"{self.name}: not installed (pip install 'spro[{self.name}]')", True
        missing = self._missing()
        known = f"{doubt}; " if (doubt := self.doubt()) else ""
        state = f"FAILED: {missing}" if missing else "the plug-in is loaded"
        return f"{self.name} {version}: {state}; {known}not tested in any: {self.untested}", not missing

    def _missing(self) -> str:
        code = f"{self.probe}\nprint({_MARK!r} + '; '.join(found))"
        try:
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PROBE_S)
        except subprocess.TimeoutExpired:
            return f"it did not start within {PROBE_S:.0f} s"
        marked = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
        if not marked:
            return (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return marked[-1].removeprefix(_MARK)


VERL = Host(
    name="verl",
    tested=("0.9.1",),
    untested="GPUs, vLLM and SGLang as its engine, Megatron, the asynchronous trainers",
    # The order counts: what verl loads by itself, in every process, is what is asked.
    probe="""
import sys
import verl
found = []
if "spro.plugins.verl" not in sys.modules:
    found.append("verl did not load it (VERL_USE_EXTERNAL_PLUGINS, or spro was installed before it had a plug-in)")
else:
    from spro.plugins.verl.registration import missing
    found += [f"{name} is not registered" for name in missing()]
""",
)
TRL = Host(
    name="trl",
    tested=("1.16.0",),
    untested="GPUs, vLLM as its engine, DeepSpeed, FSDP",
    probe="""
import spro.plugins.trl
found = []
""",
)
HOSTS = (VERL, TRL)
