"""What every program begins with: the proof that it ran, and the words to say that it got out.

This file's text is put before each program's; nothing of it is trusted. ``world`` names the targets, which the test
made.
"""

import ctypes
import errno
import hashlib
import json
import os
import signal
import socket
import sys
import time

__all__ = [
    "attempt",
    "ctypes",
    "errno",
    "escaped",
    "name_me",
    "os",
    "show_me",
    "signal",
    "socket",
    "sys",
    "syscall",
    "time",
    "world",
]

world: dict = {}
_libc = ctypes.CDLL(None, use_errno=True)


def begin():
    world.update(json.loads(sys.stdin.readline()))
    os.write(1, f"RAN {hashlib.sha256(world['nonce'].encode()).hexdigest()}\n".encode())


def escaped(what):
    os.write(1, f"\nESCAPED {what}\n".encode())


def attempt(what, action, *arguments):
    """Do it; an escape if it works."""
    try:
        result = action(*arguments)
    except (OSError, EOFError, ValueError, ImportError, AttributeError, MemoryError):
        return None
    escaped(what)
    return result


def syscall(number, *arguments):
    """The result, or an ``OSError``."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def name_me(suffix):
    """Take a name by which the test finds this process on the host."""
    _libc.prctl(15, (world["name"] + suffix).encode())


def show_me():
    """Be seen at work, before an act that takes with it all that was printed."""
    name_me("-busy")
    time.sleep(0.3)
