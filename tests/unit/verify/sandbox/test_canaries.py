import contextlib
import os
from dataclasses import replace

import pytest
from sandbox_helpers import CommandCage, OpenCage

from spro.errors import SandboxError
from spro.verify.sandbox import Level, Sandbox, canaries
from spro.verify.sandbox import sandbox as sandbox_module
from spro.verify.sandbox.canaries import CANARIES, HONEST, PROOF, check
from spro.verify.sandbox.plain import PlainCage

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def as_itself(monkeypatch):
    """An open cage runs programs as this user, as if nothing dropped the rights."""

    @contextlib.contextmanager
    def nobody(cage):
        yield None

    monkeypatch.setattr(sandbox_module, "_user", nobody)
    monkeypatch.setattr(sandbox_module, "_PAUSE_S", 0.01)


@pytest.fixture
def limit(monkeypatch):
    return lambda words: monkeypatch.setattr(canaries, "_LIMITS", replace(canaries._LIMITS, **words))


def test_there_are_enough():
    assert len(CANARIES) >= 5


def test_a_real_sandbox_passes(sandbox):
    before = set(os.environ)
    check(sandbox, (HONEST, *CANARIES))
    assert set(os.environ) == before


@pytest.mark.usefixtures("as_itself")
@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.what)
def test_each_fails_where_nothing_confines(canary, limit):
    if canary.what == "memory":
        # The limit of one process needs no walls, and the driver sets it anywhere.
        check(Sandbox(OpenCage(), ""), (canary,))
        limit({"memory_bytes": 2**34, "total_memory_bytes": 2**34})
    if canary.what == "processes" and os.geteuid() != 0:
        pytest.skip("only root is not counted")
    with pytest.raises(SandboxError, match=canary.what) as caught:
        check(Sandbox(OpenCage(), ""), (canary,))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_itself")
@pytest.mark.parametrize("canary", [PROOF, HONEST, *CANARIES], ids=lambda canary: canary.what)
def test_each_fails_where_nothing_runs(canary):
    with pytest.raises(SandboxError, match="did not start"):
        check(Sandbox(CommandCage("/bin/true"), ""), (canary,))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"file_bytes": 0}, "it cannot keep a file: OSError"),
        ({"processes": -2}, "it cannot start a thread: .*cannot fork"),
    ],
)
def test_limits_that_break_honest_programs_are_found(sandbox, limit, words, reason):
    limit(words)
    with pytest.raises(SandboxError, match=rf"{reason}.* \(test of honest work\)") as caught:
        check(sandbox, (HONEST,))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_itself")
def test_honest_work_may_fail_once(monkeypatch):
    faults = iter(["it cannot fork", None])
    monkeypatch.setattr(canaries, "_try", lambda *_: next(faults))
    check(Sandbox(OpenCage(), ""), (HONEST,))
    assert list(faults) == []


FINISHED = '{"at": "end", "status": "finished", "detail": ""}'


def forged(stdout):
    def frame(text):
        return r"\000\000\000" + f"\\{len(text):03o}" + text

    frames = frame('{"at": "ready"}') + frame('{"at": "begin"}') + frame(FINISHED) + frame(stdout) + frame("")
    return CommandCage("/bin/sh", "-c", f"printf '{frames}'")


@pytest.mark.usefixtures("as_itself")
@pytest.mark.parametrize("stdout", ["", "{}", "0", "1 2"])
def test_claiming_to_have_run_is_not_enough(stdout):
    with pytest.raises(SandboxError, match="a program did not run: finished"):
        check(Sandbox(forged(stdout), ""), (PROOF,))


def test_proof_holds_without_confinement():
    cage = PlainCage()
    assert cage.level is Level.NONE
    check(Sandbox(cage, ""), (PROOF,))
