import os
import secrets
import subprocess
import sys

import pytest

from spro.errors import SandboxError
from spro.verify.sandbox import uids
from spro.verify.sandbox.uids import COUNT, FIRST, Uids, users


def test_each_is_lent_to_one():
    pool = Uids()
    with pool.lend() as a, pool.lend() as b:
        assert a != b
        assert {a, b} <= set(range(FIRST, FIRST + COUNT))
    with pool.lend() as again:
        assert again in (a, b)


def test_given_back_after_an_exception():
    pool = Uids()
    with pytest.raises(ZeroDivisionError), pool.lend() as a:
        raise ZeroDivisionError
    with pool.lend() as again:
        assert again == a


def test_other_trainers_get_others():
    script = (
        "from spro.verify.sandbox.uids import Uids\nwith Uids().lend() as uid:\n print(uid, flush=True)\n input()\n"
    )
    with Uids().lend() as mine:
        for _ in range(2):
            said = subprocess.run([sys.executable, "-c", script], input=b"\n", capture_output=True, check=True)
            assert int(said.stdout) != mine


def test_users_of_running_processes_are_left_alone(monkeypatch):
    assert os.geteuid() in users()
    # Numbers that no other process on this machine tries to hold at the same time.
    first = 2**32 + secrets.randbelow(2**40)
    monkeypatch.setattr(uids, "FIRST", first)
    monkeypatch.setattr(uids, "users", lambda: {first + n for n in range(COUNT - 1)})
    with Uids().lend() as uid:
        assert uid == first + COUNT - 1


def test_none_left(monkeypatch):
    monkeypatch.setattr(uids, "users", lambda: set(range(FIRST, FIRST + COUNT)))
    with pytest.raises(SandboxError, match="are taken"), Uids().lend():
        pass


def test_a_fork_does_not_lend_what_its_parent_lends():
    pool = Uids()
    with pool.lend() as uid:
        pass
    with pool.lend() as amid:
        pool.begin_anew()
    with pool.lend() as other, pool.lend() as another:
        assert not {other, another} & {uid, amid}
