import errno
import platform
import re
import struct
from pathlib import Path

import pytest
from sandbox_helpers import output

from spro.errors import SandboxError
from spro.verify.sandbox import seccomp

X86, ARM = 0xC000003E, 0xC00000B7
AUDIT = {"x86_64": X86, "aarch64": ARM}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
NUMBERS = {
    "x86_64": {"read": 0, "write": 1, "openat": 257, "mmap": 9, "execve": 59, "fork": 57, "kill": 62, "prlimit64": 302,
               "futex": 202, "getrandom": 318, "pipe2": 293, "landlock_create_ruleset": 444, "close_range": 436},
    "aarch64": {"read": 63, "write": 64, "openat": 56, "mmap": 222, "execve": 221, "kill": 129, "prlimit64": 261,
                "futex": 98, "getrandom": 278, "pipe2": 59, "landlock_create_ruleset": 444, "close_range": 436},
}  # fmt: skip
MUST_BE_DENIED = [
    "socket", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "mount", "umount2",
    "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
    "unshare", "setns", "bpf", "perf_event_open", "keyctl", "add_key", "request_key", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "userfaultfd", "open_by_handle_at", "name_to_handle_at",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "shmget", "shmat",
    "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semctl", "semtimedop", "mq_open",
    "mq_unlink", "mq_timedsend", "mq_timedreceive", "memfd_create", "memfd_secret", "swapon", "swapoff",
    "reboot", "acct", "quotactl", "syslog", "personality", "fanotify_init", "fanotify_mark",
]  # fmt: skip


def verdict(machine, number, arguments=(), arch=None):
    """What the filter says of one call: an interpreter of classic BPF, as far as the filter uses it."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<iIQ6Q", number, AUDIT[machine] if arch is None else arch, 0, *padded)
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    at = word = 0
    while True:
        kind, jump_true, jump_false, value = code[at]
        at += 1
        if kind == 0x20:
            (word,) = struct.unpack_from("<I", data, value)
        elif kind == 0x06:
            return value
        else:
            test = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[kind]
            at += jump_true if test else jump_false


@pytest.fixture(params=sorted(AUDIT))
def machine(request):
    return request.param


def test_what_an_interpreter_needs_is_allowed(machine):
    assert {name: verdict(machine, number) for name, number in NUMBERS[machine].items()} == dict.fromkeys(
        NUMBERS[machine], seccomp.ALLOW
    )


@pytest.mark.parametrize("name", MUST_BE_DENIED)
def test_denied(machine, name):
    assert verdict(machine, seccomp.MACHINES[machine].denied[name], (1, 2, 3)) == EPERM


def test_every_entry_is_denied(machine):
    for number in seccomp.MACHINES[machine].denied.values():
        assert verdict(machine, number) == EPERM


def test_numbers_are_those_of_the_kernel(machine):
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers")
    known = {
        name: int(number)
        for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text())
    }
    table = seccomp.MACHINES[machine]
    ours = table.denied | {"clone": table.clone, "ioctl": table.ioctl, "socketpair": table.socketpair, "clone3": 435}
    # Headers may be older than the newest calls.
    assert {name: number for name, number in ours.items() if name in known} == {
        name: known[name] for name in ours if name in known
    }
    assert len(ours.keys() & known.keys()) > len(ours) - 8


def test_clone(machine):
    number = seccomp.MACHINES[machine].clone
    assert verdict(machine, number, (17,)) == seccomp.ALLOW  # SIGCHLD: fork
    assert verdict(machine, number, (0x3D0F00,)) == seccomp.ALLOW  # a thread
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, number, (flag | 17,)) == EPERM
    assert verdict(machine, 435) == ENOSYS


def test_socketpair(machine):
    number = seccomp.MACHINES[machine].socketpair
    assert verdict(machine, number, (1, 1)) == seccomp.ALLOW
    for family in (0, 2, 10, 16, 40):
        assert verdict(machine, number, (family, 1)) == EPERM


def test_terminal(machine):
    number = seccomp.MACHINES[machine].ioctl
    assert verdict(machine, number, (0, 0x5412)) == EPERM
    assert verdict(machine, number, (0, 0x541C)) == EPERM
    # The kernel looks at the low half of the argument only.
    assert verdict(machine, number, (0, 0x1_0000_5412)) == EPERM
    assert verdict(machine, number, (0, 0x5401)) == seccomp.ALLOW


def test_other_ways_to_number_calls(machine):
    other = ARM if machine == "x86_64" else X86
    assert verdict(machine, 0, arch=other) == seccomp.KILL
    assert verdict(machine, 0, arch=0x40000003) == seccomp.KILL  # i386
    assert verdict("x86_64", 0x40000000) == seccomp.KILL
    assert verdict("x86_64", 0x40000000 + 41) == seccomp.KILL


def test_jumps_stay_inside(machine):
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    assert len(code) < 4096
    for at, (kind, jump_true, jump_false, _) in enumerate(code):
        if kind & 7 == 5:
            assert at + 1 + max(jump_true, jump_false) < len(code)


def test_default_is_this_machine():
    assert seccomp.program() == seccomp.program(platform.machine())


def test_unknown_machine():
    with pytest.raises(SandboxError, match="riscv64"):
        seccomp.program("riscv64")


def test_the_kernel_takes_it(sandbox):
    source = """
import socket, ctypes, errno, threading
libc = ctypes.CDLL(None, use_errno=True)
def error(number, *arguments):
    return errno.errorcode.get(ctypes.get_errno()) if libc.syscall(number, *arguments) < 0 else None
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_VSOCK):
    try:
        socket.socket(family, socket.SOCK_STREAM)
        print("open")
    except PermissionError:
        pass
socket.socketpair()[0].close()
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
print(libc.ptrace(0, 0, 0, 0), libc.unshare(0x10000000), libc.personality(0xffffffff))
"""
    assert output(sandbox, source) == b"thread\n-1 -1 -1\n"
