"""Stands in for a trainer: runs jobs in a sandbox, or under no confinement, as another user and with things to steal.

Run as ``python trainer.py LEVEL HINT`` with ``src`` on the path. One JSON object a line on standard input, one back: so
it can be a user that the tests are not, and its environment, command line, descriptors and terminal hold what a program
must not see. This file imports nothing of the tests: that user may not be able to.
"""

import base64
import functools
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

LIBRARY = f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"
BWRAP = ["bwrap", "--die-with-parent", "--ro-bind", "/usr", "/usr"]
LINKS = [word for name in ("bin", "lib", "lib64", "sbin") for word in ("--symlink", f"usr/{name}", f"/{name}")]
PLACES = ["--bind", "/proc", "/proc", "--dev", "/dev", "--dev-bind-try", "/dev/kvm", "/dev/kvm", "--tmpfs", "/etc"]
FOLDERS = [word for path in ("/tmp", "/usr/local") for word in ("--tmpfs", path)]
FOLDERS += [word for path in ("/home", "/root", "/run", "/var/tmp") for word in ("--dir", path)]
FOLDERS += ["--chdir", "/tmp"]


def main():
    level, hint = sys.argv[1:]
    os.setsid()
    _, terminal = os.openpty()
    os.close(os.open(os.ttyname(terminal), os.O_RDWR))
    secret = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
    secret.write(hint.encode())
    secret.flush()
    pair = socket.socketpair()
    for thing in (secret, *pair):
        os.set_inheritable(thing.fileno(), True)
    run = Free() if level == "none" else sandboxed(level)
    answer(pid=os.getpid(), uid=os.getuid())
    for line in sys.stdin:
        begin = time.monotonic()
        request = json.loads(line)
        if "response" in request:
            answer(verdict=judge(level, **request))
            continue
        runs = run(request)
        answer(runs=runs, seconds=time.monotonic() - begin)
    if level == "none":
        shutil.rmtree(run.library)


def answer(**words):
    print(json.dumps(words), flush=True)


def sandboxed(level):
    """How to run a job at this level."""
    from spro.verify.sandbox import Job, Limits

    sandbox = chosen(level)

    def run(request):
        inputs = tuple(base64.b64decode(text) for text in request["inputs"])
        runs = sandbox.run(Job(request["source"], inputs), Limits(**request["limits"]))
        return [described(run.status, run.stdout, run.detail) for run in runs]

    return run


@functools.cache
def chosen(level):
    from spro.verify.sandbox import choose_sandbox

    return choose_sandbox(level)


def judge(level, response, tests, limits):
    """What a trainer would pay for a response."""
    from spro.verify.code.verifier import CodeVerifier
    from spro.verify.sandbox import Limits

    verdict = CodeVerifier(lambda: chosen(level), Limits(**limits))(response, tests)
    return {"score": verdict.score, "status": verdict.status, "detail": verdict.detail}


def described(status, stdout, detail):
    return {"status": status, "stdout": base64.b64encode(stdout).decode(), "detail": detail}


class Free:
    """The negative control: all that a sandbox should hold back is within reach.

    What keeps this machine whole is throw-away mounts and harmless targets: /usr is read-only, and all else that can be
    written is a tmpfs or the test's own folder. ``request["free"]`` names what else a program needs held: "forks", its
    processes, by a name space that ends with it; "signals", its user, by an unused one.

    What a run leaves stays until the next request, so that the test can look at it.
    """

    def __init__(self):
        self.process = None
        # Some of the standard library, to be written to.
        self.library = tempfile.mkdtemp(prefix="spro-library-")
        for name in ("json", "encodings"):
            shutil.copytree(f"{LIBRARY}/{name}", f"{self.library}/{name}")
        for name in ("os.py", "runpy.py"):
            shutil.copy(f"{LIBRARY}/{name}", self.library)

    def __call__(self, request):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
        return [self.run(request)] if request["source"] else []

    def run(self, request):
        finished, finish = os.pipe()
        os.set_inheritable(finish, True)
        # The shell stays, so that a name space of processes does not end with the program.
        shell = ["sh", "-c", f'"$@"; echo $? >&{finish}; exec sleep 20', "sh"]
        process = subprocess.Popen(
            [*container(request, self.library), *shell, *program(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=lambda: os.close(finished),
        )
        os.close(finish)
        self.process = process
        process.stdin.write(base64.b64decode(request["inputs"][0]))
        process.stdin.flush()
        spoken = bytearray()
        end = time.monotonic() + request["limits"]["wall_s"] + 1
        code = b""
        open_ends = {finished, process.stdout.fileno()}
        while time.monotonic() < end and open_ends:
            for fd in select.select(list(open_ends), [], [], 0.05)[0]:
                piece = os.read(fd, 2**16)
                if not piece:
                    open_ends.discard(fd)
                elif fd == finished:
                    code += piece
                    # Time for those that it leaves behind to show themselves.
                    end = min(end, time.monotonic() + 0.2)
                else:
                    spoken += piece
            if finished not in open_ends:
                break
        os.close(finished)
        if code:
            return described("finished" if code == b"0\n" else "failed", bytes(spoken), "")
        detail = "it is still running" if finished in open_ends else "its parent was killed"
        return described("free", bytes(spoken), detail)


def container(request, library):
    folder = request["folder"]
    words = [*BWRAP, *LINKS, *PLACES, *FOLDERS, "--bind", folder, folder]
    for name in ("passwd", "shadow"):
        words += ["--ro-bind", f"{folder}/expected.txt", f"/etc/{name}"]
    for name in os.listdir(library):
        words += ["--bind", f"{library}/{name}", f"{LIBRARY}/{name}"]
    return [*words, "--unshare-pid"] if request["free"] == "forks" else words


def program(request):
    words = ["/usr/bin/python3", "-S", "-B", "-c", request["source"]]
    if request["free"] != "signals":
        return words
    return ["setpriv", f"--reuid={request['uid']}", f"--regid={request['uid']}", "--clear-groups", *words]


if __name__ == "__main__":
    main()
