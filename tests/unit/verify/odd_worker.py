"""A worker that does what it is told, however unwise. Run by the pool in tests, never imported."""

import os
import resource
import signal
import sys
import time
from pathlib import Path

from spro.verify.workers.serve import serve


def handle(request):
    match request["do"]:
        case "echo":
            return {"text": request["text"], "pid": os.getpid()}
        case "sleep":
            Path(request["started"]).touch()
            time.sleep(60)
        case "nap":
            time.sleep(request["seconds"])
        case "stubborn":
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
            while True:
                pass
        case "once":
            # The first worker to try leaves a mark and hangs; the second finds it.
            if Path(request["mark"]).exists():
                return {"pid": os.getpid()}
            Path(request["mark"]).touch()
            time.sleep(60)
        case "meet":
            Path(request["mine"]).touch()
            while not Path(request["theirs"]).exists():
                time.sleep(0.01)
        case "exit":
            os._exit(request["code"])
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "raise":
            raise LookupError("of\nmy own making")
        case "gibberish":
            # Whatever is written to the real pipe, past the protocol. Its copy follows 0, 1 and 2.
            for descriptor in range(3, 16):
                try:
                    os.write(descriptor, b"\0\0\0\x02[]")
                except OSError:
                    continue
        case "print":
            print("x" * 200_000, flush=True)
            os.write(1, b"more")
            os.system("echo from a child")
            return {"read": sys.stdin.read()}
        case "allocate":
            bytearray(request["bytes"])
        case "swell":
            # Released again before the answer.
            bytearray(request["bytes"])
            return {"pid": os.getpid()}
        case "confinement":
            return {
                "environment": dict(os.environ),
                "core": resource.getrlimit(resource.RLIMIT_CORE),
                "memory": resource.getrlimit(resource.RLIMIT_AS),
                "interrupt": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
                "torch": "torch" in sys.modules,
                "group": os.getpgid(0) == os.getpid(),
            }
    return {}


if __name__ == "__main__":
    if "slow" in sys.argv:
        time.sleep(1.0)
    if "never" in sys.argv:
        time.sleep(600)
    if "broken" in sys.argv:
        raise RuntimeError("cannot come up")
    serve(handle)
