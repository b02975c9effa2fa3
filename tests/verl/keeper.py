"""``python keeper.py COMMAND...`` runs a command and ends every process that it started. For tests only.

Ray's daemons leave their parent, so no group and no session holds them all. As a subreaper this process becomes the
parent of every orphan below it. It ends them when the command is over, when it is told to end (SIGTERM), and when the
process that started it dies.
"""

import ctypes
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(command: list[str]) -> int:
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Of the thread that started this one: start keepers from the main thread.
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = subprocess.Popen(command).wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while below := psutil.Process().children(recursive=True):
            for process in below:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(below, timeout=5)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
