"""Programs that reach for other processes, or mean to outlive their own."""

# ruff: noqa: SIM105, SIM115 - programs are written as programs are
from tests.security.escapes.prelude import (
    attempt,
    ctypes,
    escaped,
    name_me,
    os,
    show_me,
    signal,
    sys,
    syscall,
    time,
    world,
)

# Where a signal reaches a process that the program itself does not own, the test sees it on the host.
SIGNALS = (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL)


def kill_parent():
    show_me()
    pid = os.getppid()
    for number in SIGNALS:
        try:
            os.kill(pid, number)
        except OSError:
            continue
    time.sleep(0.2)


def kill_everyone():
    show_me()
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(-1, number)
        except OSError:
            continue
    time.sleep(0.2)


def kill_a_process_of_the_host():
    for pid in (world["victim"], world["pid"]):
        attempt(f"may signal {pid}", os.kill, pid, 0)
        attempt(f"stopped {pid}", os.kill, pid, signal.SIGSTOP)
        attempt(f"killed {pid}", os.kill, pid, signal.SIGKILL)
        attempt(f"killed the group of {pid}", os.killpg, world["victim"], signal.SIGKILL)


def signal_by_descriptor():
    fd = syscall(434, world["victim"], 0)
    attempt("pidfd_send_signal", syscall, 424, fd, signal.SIGKILL, 0, 0)


def trace_a_process():
    for pid in (world["victim"], world["pid"], os.getppid(), world["init"]):
        attempt(f"PTRACE_ATTACH {pid}", syscall, 101, 16, pid, 0, 0)
        attempt(f"PTRACE_SEIZE {pid}", syscall, 101, 0x4206, pid, 0, 0)


def trace_a_child():
    # A tracer rewrites system calls after a filter has seen them, on old kernels.
    attempt("PTRACE_TRACEME", syscall, 101, 0, 0, 0, 0)


def read_memory_of_others():
    buffer = ctypes.create_string_buffer(8)
    here = ctypes.addressof(buffer)
    local = (ctypes.c_size_t * 2)(here, 8)
    for pid in (os.getppid(), world["victim"], world["pid"], world["init"]):
        remote = (ctypes.c_size_t * 2)(0x400000, 8)
        attempt(f"process_vm_readv {pid}", syscall, 310, pid, local, 1, remote, 1, 0)
        attempt(f"process_vm_writev {pid}", syscall, 311, pid, local, 1, remote, 1, 0)
        attempt(f"/proc/{pid}/mem", lambda pid=pid: os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR)))
        attempt(f"/proc/{pid}/maps", lambda pid=pid: open(f"/proc/{pid}/maps").read(1))


def steal_descriptors():
    for pid in (os.getppid(), world["victim"], world["pid"], world["init"]):
        try:
            process = syscall(434, pid, 0)
        except OSError:
            continue
        for fd in range(20):
            attempt(f"pidfd_getfd {pid} {fd}", syscall, 438, process, fd, 0)
        attempt(f"process_madvise {pid}", syscall, 440, process, 0, 0, 21, 0)


def change_limits_and_priorities_of_others():
    import resource

    for pid in (world["victim"], world["pid"]):
        attempt("prlimit", resource.prlimit, pid, resource.RLIMIT_NOFILE, (8, 8))
        attempt("setpriority", os.setpriority, os.PRIO_PROCESS, pid, 19)
        attempt("sched_setaffinity", os.sched_setaffinity, pid, {0})
    attempt("a higher priority", os.nice, -5)


def leave_a_session_of_its_own():
    # Before the fork, which keeps the name: whoever looks for it finds it however slow the machine is.
    name_me("-daemon")
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    time.sleep(0.1)
    os._exit(0)


def leave_a_double_forked_daemon():
    name_me("-daemon")
    if os.fork() == 0:
        try:
            os.setsid()
        except OSError:
            pass
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        os._exit(0)
    time.sleep(0.2)
    os._exit(0)


def leave_a_daemon_that_holds_the_output():
    name_me("-daemon")
    if os.fork() == 0:
        while True:
            time.sleep(0.2)
            os.write(1, b"still here\n")
    os._exit(0)


def leave_a_chain_of_forks():
    # No process of the chain lives long enough to be looked up and killed.
    name_me("-daemon")
    for _ in range(4):
        if os.fork() == 0:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    if os.fork():
                        os._exit(0)
                except OSError:
                    continue
            os._exit(0)
    time.sleep(0.2)
    os._exit(0)


def leave_a_chain_of_bare_forks():
    # The same without Python between two forks: a few tens of microseconds each.
    import mmap

    name_me("-daemon")
    # fork: mov eax,57; syscall; test eax,eax; jz fork; js fork; mov eax,60; xor edi,edi; syscall
    code = bytes.fromhex("b8390000000f0585c074f578f3b83c00000031ff0f05")
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    start = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    for _ in range(3):
        if os.fork() == 0:
            start()
    time.sleep(0.2)
    os._exit(0)


def leave_a_thread():
    import threading

    name_me("-daemon")

    def work():
        time.sleep(60)

    for _ in range(4):
        threading.Thread(target=work, daemon=False).start()


def leave_a_stopped_process():
    name_me("-daemon")
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.1)
    os._exit(0)


def speak_at_exit():
    import atexit

    def last_words():
        name_me("-daemon")
        if os.fork() == 0:
            time.sleep(60)
        sys.stdout.write("spoken at exit\n")

    atexit.register(last_words)


def become_root():
    import subprocess

    attempt("setuid(0)", os.setuid, 0)
    attempt("setgid(0)", os.setgid, 0)
    attempt("setgroups", os.setgroups, [0])
    if syscall(157, 39, 0, 0, 0, 0) != 1:
        escaped("PR_GET_NO_NEW_PRIVS: a set-uid program would gain its owner's rights")
    for command in (["/usr/bin/su", "-c", "id"], ["/bin/su", "root", "-c", "id"], ["/usr/bin/sudo", "-n", "id"]):
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
        except (OSError, subprocess.SubprocessError):
            continue
        if b"uid=0" in done.stdout:
            escaped(command[0])


def hold_capabilities():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    syscall(125, header, data)
    if any(data):
        escaped(f"capabilities {[hex(word) for word in data]}")
    for number in range(41):
        if ctypes.CDLL(None).prctl(47, 1, number, 0, 0) == 1:
            escaped(f"ambient capability {number}")


def be_root_outside():
    # What this user's files look like is up to a name space; that no limit holds for root is not.
    if os.getuid() == 0 or os.geteuid() == 0:
        escaped("uid 0")
