"""The Landlock level: what it starts is confined, watched, ended and cleaned up after."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.waiting import children, is_alive, wait_for

import spro
from spro.errors import SandboxError
from spro.verify.sandbox import landlock, landlock_filter, landlock_launcher, seccomp
from spro.verify.sandbox.cage import Level
from spro.verify.sandbox.interpreter import Interpreter, interpreter
from spro.verify.sandbox.job import Limits
from spro.verify.sandbox.landlock import LandlockCage
from spro.verify.sandbox.uids import Uids

UIDS = Uids()
LIMITS = Limits(folder_bytes=2**20)


@pytest.fixture
def cage(monkeypatch):
    if landlock_launcher.abi() < landlock.NEEDED_ABI:
        pytest.skip("the kernel's Landlock is too old")
    # The tests' own interpreter may live in root's home.
    if os.geteuid() == 0 and interpreter().barrier() is not None:
        system = os.path.realpath("/usr/bin/python3")
        if not os.path.exists(system):
            pytest.skip("no interpreter that another user can reach")
        monkeypatch.setattr(landlock, "interpreter", lambda: Interpreter(system, ()))
    return LandlockCage()


@contextmanager
def user():
    if os.geteuid() != 0:
        yield None
    else:
        with UIDS.lend() as uid:
            yield uid


@contextmanager
def started(cage, source, limits=LIMITS):
    """A program at work, and its folder, once it has said a word."""
    with user() as uid:
        process = cage.start([cage._interpreter.executable, "-I", "-S", "-B", "-c", source], limits, uid)
        folder = Path(cage._folders[process])
        try:
            yield process, folder
        finally:
            cage.end(process, uid)
            cage.end(process, uid)
            for pipe in (process.stdin, process.stdout, process.stderr):
                pipe.close()


def test_a_program_works_in_a_folder_of_its_own_that_goes_with_it(cage):
    source = "import os; open('x', 'w').write('y'); print(os.getcwd(), os.environ['HOME'], os.environ['TMPDIR'])"
    with started(cage, source) as (process, folder):
        out, log = process.communicate(timeout=90)
        assert out.decode().split() == [str(folder)] * 3, log
    assert not folder.exists()
    assert cage.level is Level.LANDLOCK
    assert cage.owns_signals
    assert cage.owns_count == (os.geteuid() == 0)


def test_the_variables_are_the_cages_own(cage, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    with started(cage, "import os; print(sorted(os.environ))") as (process, _):
        out, _ = process.communicate(timeout=90)
    assert out == b"['HOME', 'LANG', 'PATH', 'PYTHONHASHSEED', 'TMPDIR']\n"


def test_nothing_else_can_be_read_written_or_run(cage, tmp_path):
    source = f"""
import os
for path, flags in (("/etc/passwd", 0), ({str(tmp_path)!r} + "/x", os.O_WRONLY | os.O_CREAT), ("/proc/self/maps", 0)):
    try:
        print(os.open(path, flags))
    except OSError as error:
        print(error.errno)
try:
    os.execv("/bin/ls", ["ls", "/usr"])
except OSError as error:
    print(error.errno)
"""
    tmp_path.chmod(0o777)
    with started(cage, source) as (process, _):
        out, _ = process.communicate(timeout=90)
    assert out == b"13\n13\n13\n13\n"


def test_all_that_came_of_a_start_ends_with_it(cage):
    source = """
import os, signal, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            print("up", flush=True)
            time.sleep(1000)
        os._exit(0)
    os.wait()
time.sleep(1000)
"""
    with started(cage, source) as (process, folder):
        for _ in range(3):
            assert process.stdout.readline() == b"up\n"
        # The command, and what it orphaned.
        pids = wait_for(lambda: found if len(found := children(process.pid)) == 4 else set())
    assert not any(map(is_alive, [process.pid, *pids]))
    assert not folder.exists()


def test_a_folder_too_full_ends_the_program(cage):
    source = "import os, time\nfor n in range(64): open(str(n), 'wb').write(b'x' * 2**16)\ntime.sleep(1000)"
    with started(cage, source) as (process, folder):
        process.wait(timeout=90)
        assert process.returncode == landlock_launcher.CANNOT_CONFINE
    assert not folder.exists()


def test_deleted_files_that_are_held_count(cage):
    source = """
import os, time
held = []
for n in range(64):
    held.append(open("x", "wb", buffering=0))
    os.unlink("x")
    held[-1].write(b"x" * 2**16)
time.sleep(1000)
"""
    with started(cage, source) as (process, _):
        process.wait(timeout=90)


def test_a_folder_that_nobody_can_list_is_too_full(cage):
    source = "import os, time\nos.mkdir('d', 0o300)\nopen('d/x', 'w').close()\ntime.sleep(1000)"
    with started(cage, source) as (process, folder):
        process.wait(timeout=90)
        assert process.returncode == landlock_launcher.CANNOT_CONFINE
    assert not folder.exists()


def test_an_entry_that_is_gone_hides_no_other(tmp_path, monkeypatch):
    class Gone:
        def stat(self, follow_symlinks):
            raise FileNotFoundError

    (tmp_path / "kept").write_bytes(b"x" * 2**16)
    real = landlock_launcher.entries_of
    monkeypatch.setattr(landlock_launcher, "entries_of", lambda folder: iter([Gone(), *real(folder), Gone()]))
    assert 2**16 <= landlock_launcher.used_bytes(str(tmp_path), 0) < sys.maxsize
    monkeypatch.undo()
    assert list(landlock_launcher.entries_of(str(tmp_path / "gone"))) == []
    assert landlock_launcher.used_bytes(str(tmp_path / "kept"), 0) == sys.maxsize


TRAINER = """
import sys
from spro.verify.sandbox import landlock
from spro.verify.sandbox.interpreter import Interpreter
from spro.verify.sandbox.job import Limits
landlock.interpreter = lambda: Interpreter({executable!r}, {folders!r})
cage = landlock.LandlockCage()
source = "import time; print('up', flush=True); time.sleep(1000)"
process = cage.start([{executable!r}, "-I", "-S", "-B", "-c", source], Limits(), {uid})
process.stdout.readline()
print(process.pid, cage._folders[process], flush=True)
sys.stdin.read()
"""


def test_it_ends_with_its_trainer(cage):
    path = {"PYTHONPATH": str(Path(spro.__file__).parents[1]), "PATH": os.defpath}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with user() as uid:
        found = cage._interpreter
        program = TRAINER.format(executable=found.executable, folders=found.folders, uid=uid)
        with subprocess.Popen([sys.executable, "-c", program], env=path, text=True, **pipes) as trainer:
            pid, folder = trainer.stdout.readline().split()
            pids = [int(pid), *children(int(pid))]
            assert len(pids) == 2
            trainer.send_signal(signal.SIGKILL)
        wait_for(lambda: not any(map(is_alive, pids)) and not os.path.exists(folder))


def test_a_deep_folder_is_removed(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    here = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(3000):
            os.mkdir("deep")
            os.chdir("deep")
    finally:
        os.chdir(here)
    (folder / "closed").mkdir(mode=0)
    (folder / "link").symlink_to("/")
    landlock_launcher.remove_tree(str(folder))
    assert not folder.exists()
    landlock_launcher.remove_tree(str(folder))


def test_a_launcher_that_cannot_confine_says_why(cage, monkeypatch):
    monkeypatch.setattr(cage, "_filters", ["AAAA"])
    with started(cage, "print('unconfined')") as (process, folder):
        out, log = process.communicate(timeout=90)
    assert out == b""
    assert b"system call filter" in log
    assert process.returncode == landlock_launcher.CANNOT_CONFINE
    assert not folder.exists()


@pytest.mark.parametrize(("abi", "words"), [(0, "is not there"), (5, "is of ABI 5")])
def test_an_old_kernel_is_refused(monkeypatch, abi, words):
    monkeypatch.setattr(landlock_launcher, "abi", lambda: abi)
    with pytest.raises(SandboxError, match=words):
        LandlockCage()


def test_root_needs_an_interpreter_that_others_can_reach(monkeypatch):
    monkeypatch.setattr(landlock_launcher, "abi", lambda: landlock.NEEDED_ABI)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Interpreter, "barrier", lambda self: "/closed")
    with pytest.raises(SandboxError, match="/closed"):
        LandlockCage()


def test_a_failed_start_leaves_no_folder(cage, monkeypatch, tmp_path):
    def refuse(*_arguments, **_options):
        raise OSError("no processes")

    # Not in the folder of all processes, where others begin and end meanwhile.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with user() as uid, pytest.raises(SandboxError, match="no processes"):
        cage.start(["python"], LIMITS, uid)
    assert list(tmp_path.iterdir()) == []
    assert cage._folders == {}


def test_both_machines_have_a_filter():
    assert set(landlock_filter._DENIED) == set(landlock_filter._ZERO) == set(seccomp.MACHINES)
    for machine in seccomp.MACHINES:
        text = landlock_filter.program(machine)
        assert len(text) % 8 == 0
        assert len(text) // 8 < 4096
    with pytest.raises(SandboxError, match="riscv"):
        landlock_filter.program("riscv64")
