"""The calls that reach the host's things past Landlock, which has no say in them; a second filter beside ``seccomp``.

Where there is no file system and no user of its own, a program could change the mode, owner or dates of the trainer's
files, watch its folders, reach a socket by its file's name, or change the limits and priorities of its processes.
"""

import platform
import struct

from spro.errors import SandboxError
from spro.verify.sandbox.seccomp import ALLOW, EPERM

_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARGUMENTS = 0, 16

# Numbers above 423 are the same everywhere: fchmodat2, setxattrat, removexattrat, file_setattr.
_NEWER = (452, 463, 466, 469)

_DENIED = {
    "x86_64": {
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
        "inotify_add_watch": 254, "connect": 42, "bind": 49, "sendmsg": 46, "sendmmsg": 307,
        "setpriority": 141, "sched_setscheduler": 144, "sched_setparam": 142, "sched_setattr": 314, "ioprio_set": 251,
    },
    "aarch64": {
        "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "utimensat": 88,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "inotify_add_watch": 27, "connect": 203, "bind": 200, "sendmsg": 211, "sendmmsg": 269,
        "setpriority": 140, "sched_setscheduler": 119, "sched_setparam": 118, "sched_setattr": 274, "ioprio_set": 30,
    },
}  # fmt: skip

# Which argument must be zero: prlimit64 and sched_setaffinity are for oneself, sendto to the other end of a pair.
_ZERO = {
    "x86_64": {"prlimit64": (302, 0), "sched_setaffinity": (203, 0), "sendto": (44, 4)},
    "aarch64": {"prlimit64": (261, 0), "sched_setaffinity": (122, 0), "sendto": (206, 4)},
}


def program(machine: str | None = None) -> bytes:
    """The filter, an array of ``struct sock_filter``; foreign architectures are the other filter's to refuse.

    Args:
        machine: as ``platform.machine`` gives it; this one by default.

    Raises:
        SandboxError: there is no table for the architecture.
    """
    name = machine or platform.machine()
    if name not in _DENIED:
        raise SandboxError(f"no system call filter is known for {name}, only for {', '.join(_DENIED)}")
    allow, deny = (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, EPERM)
    code = [(_LOAD, 0, 0, _NUMBER)]
    for number in sorted((*_DENIED[name].values(), *_NEWER)):
        code += [(_IF_EQUAL, 0, 1, number), deny]
    for number, argument in _ZERO[name].values():
        low = _ARGUMENTS + 8 * argument
        code += [(_IF_EQUAL, 0, 6, number), (_LOAD, 0, 0, low), (_IF_EQUAL, 0, 3, 0)]
        code += [(_LOAD, 0, 0, low + 4), (_IF_EQUAL, 0, 1, 0), allow, deny]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in [*code, allow])
