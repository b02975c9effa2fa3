"""Programs that reach for the kernel: name spaces, mounts, rare calls, ways around a filter of calls (x86-64)."""

from tests.security.escapes.prelude import attempt, ctypes, errno, escaped, os, sys, syscall, world

NEW_SPACES = {
    "NEWTIME": 0x80,
    "NEWNS": 0x20000,
    "NEWCGROUP": 0x2000000,
    "NEWUTS": 0x4000000,
    "NEWIPC": 0x8000000,
    "NEWUSER": 0x10000000,
    "NEWPID": 0x20000000,
    "NEWNET": 0x40000000,
}
SIGCHLD = 17


def unshare_name_spaces():
    for name, flag in NEW_SPACES.items():
        attempt(f"unshare {name}", syscall, 272, flag)
        attempt(f"unshare user and {name}", syscall, 272, flag | NEW_SPACES["NEWUSER"])
    attempt("setns", lambda: syscall(308, os.open("/proc/self/ns/user", os.O_RDONLY), 0))


def clone_into_name_spaces():
    for name, flag in NEW_SPACES.items():
        _child_of(f"clone {name}", 56, flag | NEW_SPACES["NEWUSER"] | SIGCHLD, 0, 0, 0, 0)


def clone3_into_name_spaces():
    for name, flag in {"USER": NEW_SPACES["NEWUSER"], "USER|NS": NEW_SPACES["NEWUSER"] | NEW_SPACES["NEWNS"]}.items():
        words = (ctypes.c_uint64 * 11)(flag, 0, 0, 0, SIGCHLD)
        _child_of(f"clone3 {name}", 435, words, ctypes.sizeof(words))


def _child_of(what, *arguments):
    try:
        pid = syscall(*arguments)
    except OSError:
        return
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0x40000000)
    escaped(what)


def mount_things():
    attempt("mount tmpfs", syscall, 165, b"none", b"/tmp", b"tmpfs", 0, 0)
    attempt("mount proc", syscall, 165, b"proc", b"/tmp", b"proc", 0, 0)
    attempt("bind /", syscall, 165, b"/", b"/tmp", 0, 4096, 0)
    attempt("remount writable", syscall, 165, 0, b"/usr", 0, 4096 | 32, 0)
    attempt("umount", syscall, 166, b"/tmp", 2)
    attempt("pivot_root", syscall, 155, b"/tmp", b"/tmp")


def mount_proc_in_a_name_space():
    if os.fork() == 0:
        for flags in (0x10000000 | 0x20000 | 0x20000000, 0x20000 | 0x20000000, 0x20000):
            try:
                syscall(272, flags)
                break
            except OSError:
                continue
        if os.fork() == 0:
            attempt("mount proc", syscall, 165, b"proc", b"/tmp", b"proc", 0, 0)
        os._exit(0)
    os.wait()


def mount_by_the_new_calls():
    attempt("fsopen", syscall, 430, b"tmpfs", 0)
    attempt("open_tree", syscall, 428, -100, b"/usr", 1)
    attempt("fspick", syscall, 433, -100, b"/", 0)
    attempt("mount_setattr", syscall, 442, -100, b"/usr", 0, (ctypes.c_uint64 * 4)(1), 32)
    # Reached the kernel's own check of its arguments: nothing stood before it.
    _reaches("move_mount", 429, -1, b"", -1, b"", 0)
    _reaches("fsconfig", 431, -1, 0, 0, 0, 0)
    _reaches("fsmount", 432, -1, 0, 0)


def _reaches(what, number, *arguments, words=(errno.EBADF, errno.EINVAL, errno.EFAULT, errno.ESRCH, errno.ENOENT)):
    try:
        syscall(number, *arguments)
    except OSError as error:
        if error.errno not in words:
            return
    escaped(f"{what} was not held back")


def use_keys():
    attempt("add_key", syscall, 248, b"user", world["name"].encode(), b"x", 1, -2)
    attempt("keyctl", syscall, 250, 0, -4, 1)
    attempt("request_key", syscall, 249, b"keyring", b"_ses", 0, -2)


def use_bpf():
    _reaches("bpf", 321, 0, 0, 0)
    _reaches("bpf map", 321, 0, (ctypes.c_uint32 * 20)(2, 4, 4, 1), 72)


def use_perf():
    attributes = (ctypes.c_uint32 * 32)(1, 128)
    attempt("perf_event_open", syscall, 298, attributes, 0, -1, -1, 0)
    _reaches("perf_event_open", 298, 0, 0, -1, -1, 0)


def use_userfaultfd():
    attempt("userfaultfd", syscall, 323, 1)
    attempt("/dev/userfaultfd", lambda: os.close(os.open("/dev/userfaultfd", os.O_RDWR)))


def use_io_uring():
    attempt("io_uring_setup", syscall, 425, 4, ctypes.create_string_buffer(120))
    _reaches("io_uring_enter", 426, -1, 0, 0, 0, 0)
    _reaches("io_uring_register", 427, -1, 0, 0, 0)


def change_personality():
    attempt("addresses in order", syscall, 135, 0x40000)
    attempt("everything readable is executable", syscall, 135, 0x400000)


def load_code_into_the_kernel():
    _reaches("init_module", 175, 0, 0, 0)
    _reaches("finit_module", 313, -1, b"", 0)
    _reaches("delete_module", 176, 0, 0)
    _reaches("kexec_load", 246, 0, 0, 0, 0x40000000)
    _reaches("kexec_file_load", 320, -1, -1, 0, 0, 0x100)


def administrate():
    _reaches("swapon", 167, 0, 0)
    _reaches("sethostname", 170, 0, 1)
    _reaches("settimeofday", 164, 1, 0)
    _reaches("quotactl", 179, -1, 0, 0, 0)
    _reaches("acct", 163, 1)
    _reaches("syslog", 103, 10, 0, 0)
    _reaches("ioperm", 173, 2**16, 1, 1)
    attempt("modify_ldt", syscall, 154, 0, ctypes.create_string_buffer(16), 16)
    _reaches("fanotify_init", 300, -1, -1)
    _reaches("kcmp", 312, os.getpid(), os.getppid(), -1, 0, 0)


def make_secret_memory():
    attempt("memfd_secret", syscall, 447, 0)


def call_as_x32():
    # The same kernel functions under other numbers: a filter by number alone lets them through.
    attempt("x32 getpid", syscall, 0x40000000 + 39)
    attempt("x32 socket", syscall, 0x40000000 + 41, 2, 1, 0)
    attempt("a number above all", syscall, 0x7FFFFFFF)


def call_as_i386():
    import mmap

    # push rbx; mov eax,359 (i386 socket); mov ebx,2; mov ecx,1; xor edx,edx; int 0x80; pop rbx; ret
    code = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
    if result != -errno.ENOSYS:
        escaped(f"int 0x80 went through: {result}")


def type_into_the_terminal():
    import fcntl

    for path in (0, 1, 2, "/dev/tty", "/dev/console"):
        try:
            fd = path if isinstance(path, int) else os.open(path, os.O_RDWR)
        except OSError:
            continue
        if os.isatty(fd):
            escaped(f"a terminal: {path}")
            attempt("TIOCSTI", fcntl.ioctl, fd, 0x5412, b"x")


def loosen_the_filter():
    status = syscall(157, 21, 0, 0, 0, 0)
    if status != 2:
        escaped(f"PR_GET_SECCOMP: {status}")
    attempt("no_new_privs off", syscall, 157, 38, 0, 0, 0, 0)


def use_system_v_memory():
    try:
        number = syscall(29, world["key"], 4096, 0o1666)
    except OSError:
        return
    escaped(f"shmget {number}")


def use_system_v_queues():
    queue = attempt("msgget", syscall, 68, world["key"], 0o1666)
    if queue is not None:
        syscall(71, queue, 0, 0)
    semaphores = attempt("semget", syscall, 64, world["key"], 1, 0o1666)
    if semaphores is not None:
        syscall(66, semaphores, 0, 0)


def use_posix_queues():
    name = world["name"].encode()
    if attempt("mq_open", syscall, 240, name, os.O_CREAT | os.O_RDWR, 0o600, 0) is not None:
        syscall(241, name)


def ask_what_holds_it():
    # No hole by itself, and the ground for the others: a process under no filter shows 0.
    try:
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return
    if lines["Seccomp"].strip() != "2" or lines["NoNewPrivs"].strip() != "1" or int(lines["CapEff"], 16):
        escaped(str({name: lines[name].strip() for name in ("Seccomp", "NoNewPrivs", "CapEff")}))
    sys.stdout.flush()
