r"""The math worker, with faults on request: what ``benchmarks/verify.py --load`` mixes in. Run by the pool.

An answer that begins with ``\crash`` ends the process; with ``\falter MARK`` only when it is met for the first time.
"""

import os
import signal
from pathlib import Path

from spro.verify.math.worker import decide
from spro.verify.workers.serve import serve


def handle(request):
    """Fail as told, else decide."""
    answer = request["answer"]
    if answer.startswith("\\crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if answer.startswith("\\falter"):
        mark, answer = Path(answer.split()[1]), answer.split()[2]
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
    return decide({**request, "answer": answer})


if __name__ == "__main__":
    serve(handle)
