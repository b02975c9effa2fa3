"""Which system calls a program may not make, as a filter that the kernel runs (classic BPF, assembled by hand).

A deny list, since an interpreter makes far more calls than anyone would list: what reaches over the walls of a
sandbox (sockets, tracing, mounts, namespaces), what has been a way into the kernel, and memory that no limit counts.
Refused calls fail with EPERM, as they do for any program without privileges; nothing is killed for trying.
"""

import platform
import struct
from dataclasses import dataclass

from spro.errors import SandboxError

_INSTRUCTION = struct.Struct("=HBBI")
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: the word at an offset of struct seccomp_data
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # little-endian: the low words of the arguments

ALLOW = 0x7FFF0000
KILL = 0x80000000
EPERM = 0x00050000 | 1
ENOSYS = 0x00050000 | 38

_X32 = 0x40000000
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. NEWTIME shares its bit with the exit signal here and
# can be asked of clone3 and unshare only.
_CLONE_NEW = 0x7E020000
_AF_UNIX = 1
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into the terminal of the trainer


@dataclass(frozen=True, slots=True)
class _Machine:
    """Numbers of one architecture; the denied calls follow each other in ``_NAMES`` order where they exist."""

    audit: int
    clone: int
    ioctl: int
    socketpair: int
    has_x32: bool
    denied: dict[str, int]


# Numbers above 423 are the same everywhere.
_COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447,
    "process_mrelease": 448, "statmount": 457, "listmount": 458, "open_tree_attr": 467,
}  # fmt: skip
_CLONE3 = 435

_X86_64 = _Machine(
    audit=0xC000003E,
    clone=56,
    ioctl=16,
    socketpair=53,
    has_x32=True,
    denied=_COMMON
    | {
        "socket": 41, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
        "bpf": 321, "perf_event_open": 298, "add_key": 248, "request_key": 249, "keyctl": 250, "userfaultfd": 323,
        "name_to_handle_at": 303, "open_by_handle_at": 304, "kexec_load": 246, "kexec_file_load": 320,
        "create_module": 174, "init_module": 175, "delete_module": 176, "finit_module": 313,
        "shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67, "semget": 64, "semop": 65, "semctl": 66,
        "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
        "mq_open": 240, "mq_unlink": 241, "mq_timedsend": 242, "mq_timedreceive": 243, "mq_notify": 244,
        "mq_getsetattr": 245, "memfd_create": 319, "swapon": 167, "swapoff": 168, "reboot": 169, "acct": 163,
        "quotactl": 179, "syslog": 103, "personality": 135, "fanotify_init": 300, "fanotify_mark": 301,
        "iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134, "lookup_dcookie": 212, "vhangup": 153,
        "sethostname": 170, "setdomainname": 171, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159,
        "clock_adjtime": 305, "move_pages": 279, "migrate_pages": 256, "vmsplice": 278,
    },
)  # fmt: skip
_AARCH64 = _Machine(
    audit=0xC00000B7,
    clone=220,
    ioctl=29,
    socketpair=199,
    has_x32=False,
    denied=_COMMON
    | {
        "socket": 198, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
        "bpf": 280, "perf_event_open": 241, "add_key": 217, "request_key": 218, "keyctl": 219, "userfaultfd": 282,
        "name_to_handle_at": 264, "open_by_handle_at": 265, "kexec_load": 104, "kexec_file_load": 294,
        "init_module": 105, "delete_module": 106, "finit_module": 273,
        "shmget": 194, "shmctl": 195, "shmat": 196, "shmdt": 197, "semget": 190, "semctl": 191, "semtimedop": 192,
        "semop": 193, "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189,
        "mq_open": 180, "mq_unlink": 181, "mq_timedsend": 182, "mq_timedreceive": 183, "mq_notify": 184,
        "mq_getsetattr": 185, "memfd_create": 279, "swapon": 224, "swapoff": 225, "reboot": 142, "acct": 89,
        "quotactl": 60, "syslog": 116, "personality": 92, "fanotify_init": 262, "fanotify_mark": 263,
        "lookup_dcookie": 18, "vhangup": 58, "sethostname": 161, "setdomainname": 162, "settimeofday": 170,
        "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266, "move_pages": 239, "migrate_pages": 238,
        "vmsplice": 75,
    },
)  # fmt: skip
MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}
"""By the name that ``platform.machine`` gives."""


def program(machine: str | None = None) -> bytes:
    """The filter, an array of ``struct sock_filter``, as bubblewrap and the kernel take it.

    Args:
        machine: an architecture of ``MACHINES``; this one by default.

    Raises:
        SandboxError: there is no table for the architecture.
    """
    name = machine or platform.machine()
    if name not in MACHINES:
        raise SandboxError(f"no system call filter is known for {name}, only for {', '.join(MACHINES)}")
    table = MACHINES[name]
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, table.audit),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if table.has_x32:
        # The same calls by other numbers; -1, a call that a tracer skipped, lies up there too.
        code += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, KILL)]
    # clone3 takes its flags through a pointer, which no filter can follow; a C library falls back to clone.
    code += [(_IF_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, ENOSYS)]
    for number in sorted(table.denied.values()):
        code += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, EPERM)]
    code += _argument_checks(table)
    code.append((_RETURN, 0, 0, ALLOW))
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)


def _argument_checks(table: _Machine) -> list[tuple[int, int, int, int]]:
    # Each check ends in a verdict, since it loads an argument over the number of the call.
    allow, deny = (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, EPERM)
    sti, linux = _TERMINAL_INPUT
    return [
        *((_IF_EQUAL, 0, 4, table.clone), (_LOAD, 0, 0, _FIRST), (_IF_ANY_BIT, 0, 1, _CLONE_NEW), deny, allow),
        *((_IF_EQUAL, 0, 4, table.socketpair), (_LOAD, 0, 0, _FIRST), (_IF_EQUAL, 1, 0, _AF_UNIX), deny, allow),
        *((_IF_EQUAL, 0, 5, table.ioctl), (_LOAD, 0, 0, _SECOND)),
        *((_IF_EQUAL, 1, 0, sti), (_IF_EQUAL, 0, 1, linux), deny, allow),
    ]
