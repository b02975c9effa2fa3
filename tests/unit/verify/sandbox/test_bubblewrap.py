import json
import os
import shutil

import pytest
from sandbox_helpers import descriptors, output, run_as_nobody

from spro.errors import SandboxError
from spro.verify.sandbox import Level, Limits, bubblewrap
from spro.verify.sandbox.bubblewrap import BubblewrapCage
from spro.verify.sandbox.interpreter import Interpreter

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="drops its rights, so it must have some")


def test_not_installed(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SandboxError, match="bwrap is not installed"):
        BubblewrapCage()


@root_only
def test_interpreter_that_cannot_be_shown(monkeypatch):
    monkeypatch.setattr(Interpreter, "barrier", lambda self: "/closed")
    monkeypatch.setattr(bubblewrap, "interpreter", lambda: Interpreter("/closed/a/python", ("/closed/a", "/closed/b")))
    with pytest.raises(SandboxError, match="/closed, which no other user may enter"):
        BubblewrapCage()


@pytest.mark.usefixtures("sandbox")
def test_bwrap_that_vanishes_after_the_start(monkeypatch):
    cage = BubblewrapCage()
    monkeypatch.setattr(cage, "_program", "/nonexistent/bwrap")
    monkeypatch.setattr(cage, "_barrier", None)
    with pytest.raises(SandboxError, match=r"cannot start bwrap: .*No such file"):
        cage.start(["/bin/true"], Limits(), None)


@pytest.mark.usefixtures("sandbox")
def test_a_failed_start_leaves_no_descriptor(monkeypatch):
    def refuse(*_arguments):
        raise OSError("no buffers")

    cage, before = BubblewrapCage(), descriptors()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        with pytest.raises(SandboxError, match="no buffers"):
            cage.start(["/bin/true"], Limits(), None)
    assert descriptors() <= before


def test_nothing_of_the_host(sandbox):
    source = """
import os, json
writable = []
for folder, folders, _ in os.walk("/"):
    if folder.count("/") > 3:
        folders.clear()
    try:
        open(folder + "/canary", "w").close()
        os.unlink(folder + "/canary")
        writable.append(folder)
    except OSError:
        pass
print(json.dumps({"root": sorted(os.listdir("/")), "dev": sorted(os.listdir("/dev")), "writable": writable,
                  "variables": sorted(os.environ), "uid": os.getuid()}))
"""
    seen = json.loads(output(sandbox, source))
    assert {"dev", "tmp", "usr"} <= set(seen["root"])
    assert not {"home", "proc", "sys", "run", "var", "work", "mnt", "boot"} & set(seen["root"])
    assert seen["dev"] == ["full", "null", "random", "urandom", "zero"]
    assert seen["writable"] == ["/tmp"]
    assert set(seen["variables"]) == {"HOME", "LANG", "PATH", "PWD", "PYTHONHASHSEED", "TMPDIR"}
    assert seen["uid"] != 0


def test_no_descriptor_of_the_trainer(sandbox, tmp_path):
    source = """
import os
for number in range(3, 1024):
    try:
        print(number, os.fstat(number))
    except OSError:
        pass
"""
    with open(tmp_path / "secret", "w") as file:
        os.set_inheritable(file.fileno(), True)
        assert output(sandbox, source).count(b"\n") == 1  # the pipe for what functions return


def test_session_is_its_own(sandbox):
    # A session of the trainer would have no number in there, and a terminal to type into.
    assert output(sandbox, "import os; print(os.getsid(0) > 0)") == b"True\n"


PLAIN_USER = '''
import json, os, sys
from spro.verify.sandbox import Job, choose_sandbox
sandbox = choose_sandbox("bubblewrap")
source = """
import os, time
n = 0
try:
    while n < 60:
        n += 1
        if os.fork() == 0:
            time.sleep(9)
            os._exit(0)
except OSError:
    pass
print(os.getuid(), n < 40)
"""
jobs = [
    Job("print(sum(map(int, input().split())))", (b"1 2", b"3 4")),
    Job("def f(x): return {x}", ((1,),), "f"),
    Job("import os; os.kill(-1, 9)", (b"",)),
    Job("x = bytearray(2 ** 31)", (b"",)),
    Job(source, (b"",)),
]
runs = [run for job in jobs for run in sandbox.run(job)]
print(json.dumps([os.getuid(), sandbox.level, [[run.status, run.stdout.decode(), repr(run.value)] for run in runs]]))
'''


@root_only
@pytest.mark.usefixtures("sandbox")
def test_as_a_plain_user():
    said = run_as_nobody(PLAIN_USER)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == [
        65534,
        Level.BUBBLEWRAP,
        [
            ["finished", "3\n", "None"],
            ["finished", "7\n", "None"],
            ["finished", "", "{1}"],
            ["lost", "", "None"],
            ["memory", "", "None"],
            ["finished", "65534 True\n", "None"],
        ],
    ]
