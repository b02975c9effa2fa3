import importlib
import os

import pytest

from spro.errors import SandboxUnavailableError
from spro.verify.sandbox import Level, SandboxReport, examine_sandbox

module = importlib.import_module("spro.verify.sandbox.report")


@pytest.mark.usefixtures("sandbox")
def test_this_machine():
    seen = examine_sandbox()
    assert seen.level is Level.BUBBLEWRAP
    assert seen.uid == (os.geteuid() or 61184)
    assert seen.seccomp
    assert len(seen.lines()) == 6
    assert seen.lines()[0] == "sandbox: bubblewrap (bubblewrap works here)"
    assert not any("\n" in line for line in seen.lines())


def test_nothing_works(monkeypatch):
    def refuse():
        raise SandboxUnavailableError("neither works")

    monkeypatch.setattr(module, "choose_sandbox", refuse)
    assert examine_sandbox().lines()[0] == "sandbox: unavailable (neither works)"


@pytest.mark.parametrize(("abi", "text"), [(0, "not offered"), (4, "4")])
def test_lines(abi, text):
    lines = SandboxReport(None, "why", 5, None, abi, False, False).lines()
    assert lines == [
        "sandbox: unavailable (why)",
        "programs run as user: 5",
        "user namespaces allowed: unknown",
        f"landlock version: {text}",
        "system call filter: none for this machine",
        "control groups delegated: no; memory is watched from outside",
    ]
