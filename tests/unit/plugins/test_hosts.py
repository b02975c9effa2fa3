"""What doctor says of a trainer of others, by really starting one."""

import importlib.metadata

import pytest

from spro.plugins import hosts
from spro.plugins.hosts import HOSTS, Host

VERSION = importlib.metadata.version("numpy")


def host(probe: str, *tested: str) -> Host:
    return Host("numpy", tested or (VERSION,), "the moon", probe)


def test_one_that_is_not_installed_is_named_with_the_remedy_and_is_no_fault() -> None:
    absent = Host("no-such-trainer", ("1",), "", "")
    assert absent.examine() == ("no-such-trainer: not installed (pip install 'spro[no-such-trainer]')", True)


def test_one_with_everything_there() -> None:
    line = f"numpy {VERSION}: the plug-in is loaded; not tested in any: the moon"
    assert host("import numpy; print('noise'); found = []").examine() == (line, True)


def test_another_version_is_told() -> None:
    line, is_right = host("found = []", "0.1").examine()
    assert f"numpy {VERSION} is untested with spro (tested: 0.1)" in line
    assert is_right


@pytest.mark.parametrize(
    ("probe", "problem"),
    [
        ("found = ['a is not registered', 'nor b']", "FAILED: a is not registered; nor b;"),
        ("import no_such_module", "FAILED: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os; os._exit(7)", "FAILED: it ended with 7"),
    ],
)
def test_what_is_missing_is_a_fault(probe: str, problem: str) -> None:
    line, is_right = host(probe).examine()
    assert problem in line
    assert not is_right


def test_one_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "PROBE_S", 0.5)
    assert "FAILED: it did not start within" in host("import time; time.sleep(60)").examine()[0]


def test_the_two_of_the_extras_are_known() -> None:
    assert [host.name for host in HOSTS] == ["verl", "trl"]
