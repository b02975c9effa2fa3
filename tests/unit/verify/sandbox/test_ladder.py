import shutil

import pytest
from sandbox_helpers import CommandCage, OpenCage, output

from spro.errors import SandboxError, SandboxUnavailableError
from spro.verify.sandbox import UNSAFE_FLAG, Level, ladder
from spro.verify.sandbox import sandbox as sandbox_module
from spro.verify.sandbox.ladder import Candidate, choose_sandbox

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(sandbox_module, "_PAUSE_S", 0.01)


def refuse():
    raise SandboxError("not today")


@pytest.fixture
def candidates(monkeypatch):
    def put(*made):
        monkeypatch.setattr(ladder, "CANDIDATES", tuple(Candidate(level, make) for level, make in made))

    return put


@pytest.fixture
def trusting(monkeypatch):
    """Canaries that only ask whether a program runs."""
    monkeypatch.setattr(ladder, "CANARIES", (ladder.PROOF,))


def test_strongest_is_chosen(sandbox):
    assert sandbox.level is Level.BUBBLEWRAP
    assert sandbox.why == "bubblewrap works here"
    assert output(sandbox, "print(1)") == b"1\n"


@pytest.mark.usefixtures("trusting")
def test_falls_with_a_warning(candidates, caplog):
    class Lower(OpenCage):
        level = Level.NONE

    candidates((Level.BUBBLEWRAP, refuse), (Level.LANDLOCK, Lower))
    chosen = choose_sandbox()
    assert isinstance(chosen.cage, Lower)
    assert chosen.why == "bubblewrap does not work: not today; so landlock"
    assert warnings(caplog) == [f"code runs in a weaker sandbox: {chosen.why}"]


def test_what_confines_nothing_is_not_taken(candidates):
    class Open(OpenCage):
        level = Level.NONE  # runs as this user

    candidates((Level.BUBBLEWRAP, Open), (Level.LANDLOCK, lambda: CommandCage("/bin/true")))
    with pytest.raises(SandboxUnavailableError) as caught:
        choose_sandbox()
    message = str(caught.value)
    assert "bubblewrap does not work: it read a secret" in message
    assert "landlock does not work: a sandbox did not start" in message
    for remedy in ("apt-get install bubblewrap", "--security-opt", "math only"):
        assert remedy in message
    assert "\n" not in message


def test_bwrap_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SandboxUnavailableError, match="bubblewrap does not work: bwrap is not installed") as caught:
        choose_sandbox("bubblewrap")
    assert "landlock does not work" not in str(caught.value)


def test_only_the_wanted_one_is_tried(candidates):
    tried = []
    candidates(
        (Level.BUBBLEWRAP, lambda: tried.append("bubblewrap") or refuse()),
        (Level.LANDLOCK, lambda: tried.append("landlock") or refuse()),
    )
    with pytest.raises(SandboxUnavailableError):
        choose_sandbox("landlock")
    assert tried == ["landlock"]


def test_none_needs_the_flag(caplog):
    with pytest.raises(SandboxUnavailableError, match=UNSAFE_FLAG):
        choose_sandbox("none")
    sandbox = choose_sandbox("none", allow_unsafe=True)
    assert sandbox.level is Level.NONE
    assert output(sandbox, "print(1)") == b"1\n"
    assert warnings(caplog) == ["code runs without a sandbox: a model's programs can do whatever you can do"]


def warnings(caplog):
    # A slow machine has more to say: that it waits, and for what.
    return [message for message in caplog.messages if message.startswith("code runs")]


def test_none_is_never_fallen_to(candidates):
    candidates()
    with pytest.raises(SandboxUnavailableError):
        choose_sandbox(allow_unsafe=True)


def test_unknown():
    with pytest.raises(
        SandboxUnavailableError, match="docker is unknown; it is one of auto, bubblewrap, landlock, none"
    ):
        choose_sandbox("docker")
