"""Programs that use more than they may; each stops by itself at a few times its limit, so it can be let run free."""

# ruff: noqa: SIM115 - programs are written as programs are
from tests.security.escapes.prelude import (
    attempt,
    escaped,
    name_me,
    os,
    show_me,
    signal,
    syscall,
    time,
    world,
)

MEBI = 2**20


def loop_for_ever():
    name_me("-busy")
    while True:
        pass


def sleep_for_ever():
    name_me("-busy")
    while True:
        time.sleep(1000)


def ignore_all_signals():
    name_me("-busy")
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    while True:
        time.sleep(0.01)


def ignore_the_limit_of_seconds():
    import resource

    name_me("-busy")
    signal.signal(signal.SIGXCPU, lambda *_: None)
    try:
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        pass
    while True:
        pass


def catch_every_exception():
    name_me("-busy")
    while True:
        try:
            while True:
                time.sleep(0.001)
        except BaseException:
            continue


def burn_seconds_in_children():
    # A limit of CPU seconds holds for each process; the clock holds for all.
    name_me("-busy")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                until = time.monotonic() + 0.2
                while time.monotonic() < until:
                    pass
                os._exit(0)
            os.wait()
        except OSError:
            time.sleep(0.01)


def print_without_end():
    line = b"x" * 2**16
    total = 0
    while total < 4 * world["output_bytes"]:
        total += os.write(1, line)
    time.sleep(0.5)
    os.write(1, b"\nESCAPED wrote it all\n")


def fork_many():
    alive = _count(100, lambda: os.fork() or (time.sleep(2), os._exit(0)))
    if alive > 2 * world["processes"]:
        escaped(f"{alive} processes at a time")


def start_many_threads():
    import threading

    threading.stack_size(2**17)
    alive = _count(100, lambda: threading.Thread(target=time.sleep, args=(2,), daemon=True).start())
    if alive > 2 * world["processes"]:
        escaped(f"{alive} threads at a time")


def _count(most, start):
    for number in range(most):
        try:
            start()
        except (OSError, RuntimeError, MemoryError):
            return number
    return most


def take_memory():
    blocks = [b"x" * MEBI for _ in range(world["memory_bytes"] * 3 // 2 // MEBI)]
    escaped(f"{len(blocks)} MiB")


def take_memory_in_processes():
    show_me()
    each = world["memory_bytes"] // MEBI // 2
    for _ in range(5):
        if os.fork() == 0:
            blocks = [b"x" * MEBI for _ in range(each)]
            time.sleep(1.5)
            escaped(f"{len(blocks)} MiB, one of five")
            os._exit(0)
    for _ in range(5):
        os.wait()


def take_shared_memory():
    show_me()
    import mmap

    areas = []
    for _ in range(5):
        area = mmap.mmap(-1, world["memory_bytes"] // 2)
        for start in range(0, len(area), MEBI):
            area[start : start + MEBI] = b"x" * MEBI
        areas.append(area)
        if os.fork() == 0:
            time.sleep(1.5)
            os._exit(0)
    time.sleep(1)
    escaped(f"{len(areas)} areas")


def raise_the_limits():
    import resource

    for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU", "CORE", "STACK", "MEMLOCK", "MSGQUEUE", "NICE", "RTPRIO"):
        number = getattr(resource, f"RLIMIT_{name}")
        _, most = resource.getrlimit(number)
        more = 2**40 if most == -1 else most + 1
        if most == -1 and name in {"AS", "NPROC", "FSIZE", "NOFILE", "CPU", "CORE"}:
            escaped(f"no limit of {name}")
        if most != -1:
            attempt(f"more of {name}", resource.setrlimit, number, (more, more))


def fill_the_folder():
    show_me()
    written, files = 0, []
    block = b"x" * MEBI
    goal = 3 * world["folder_bytes"] // MEBI
    while written < goal:
        try:
            files.append(open(f"fill-{written}", "wb", buffering=0))
            for _ in range(4):
                written += files[-1].write(block) // MEBI
            files.pop().close()
        except OSError:
            break
    time.sleep(0.3)
    if written >= goal:
        escaped(f"{written} MiB in the folder")


def fill_the_folder_with_nameless_files():
    show_me()
    # Deleted at once: no walk of the folder finds them.
    written, files = 0, []
    block = b"x" * MEBI
    goal = 3 * world["folder_bytes"] // MEBI
    while written < goal:
        try:
            files.append(open("nameless", "wb", buffering=0))
            os.unlink("nameless")
            for _ in range(7):
                written += files[-1].write(block) // MEBI
        except OSError:
            break
    time.sleep(0.3)
    if written >= goal:
        escaped(f"{written} MiB without a name")


def fill_a_folder_that_nobody_can_list():
    show_me()
    # Its owner may write in it, and whoever counts with the owner's rights sees nothing.
    os.mkdir("closed", 0o300)
    written = 0
    block = b"x" * MEBI
    goal = 3 * world["folder_bytes"] // MEBI
    while written < goal:
        try:
            with open(f"closed/{written}", "wb", buffering=0) as file:
                for _ in range(4):
                    written += file.write(block) // MEBI
        except OSError:
            break
    time.sleep(0.3)
    if written >= goal:
        escaped(f"{written} MiB unseen")


def fill_every_other_folder():
    block = b"x" * MEBI
    folders = ["/dev/shm", "/", "/dev", "/tmp", "/var/tmp", "/run", "/dev/mqueue", "/home", "/proc", "/sys"]
    total = 0
    for folder in folders:
        for number in range(3 * world["folder_bytes"] // MEBI // 4):
            try:
                with open(f"{folder}/fill-{world['name']}-{number}", "wb", buffering=0) as file:
                    for _ in range(4):
                        total += file.write(block) // MEBI
            except OSError:
                break
    time.sleep(0.3)
    if total > 2 * world["folder_bytes"] // MEBI:
        escaped(f"{total} MiB in all")


def write_a_long_file():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    attempt("a long file", _write, "long", 2 * world["file_bytes"])
    attempt("a long hole", os.truncate, "long", 64 * world["file_bytes"])


def _write(path, size):
    with open(path, "wb", buffering=0) as file:
        for _ in range(size // MEBI):
            if file.write(b"x" * MEBI) < MEBI:
                raise OSError("cut off")


def hoard_memory_files():
    # Their pages belong to no process: a count of resident memory does not see them.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    total, files = 0, []
    while total < 2 * world["total_memory_bytes"] // MEBI:
        try:
            files.append(os.memfd_create(f"hoard-{len(files)}"))
            total += os.write(files[-1], b"x" * world["file_bytes"]) // MEBI
        except OSError:
            break
    if total > world["file_bytes"] // MEBI:
        time.sleep(0.5)
        escaped(f"{total} MiB in {len(files)} memory files")


def hoard_memory_files_in_processes():
    show_me()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    pids = []
    for _ in range(4):
        pids.append(os.fork())
        if pids[-1] == 0:
            total = 0
            for number in range(40):
                try:
                    total += os.write(os.memfd_create(f"hoard-{number}"), b"x" * world["file_bytes"]) // MEBI
                except OSError:
                    break
            time.sleep(1)
            if total > world["file_bytes"] // MEBI:
                escaped(f"{total} MiB, one of four")
            os._exit(0)
    for _ in pids:
        os.wait()


def make_many_files():
    show_me()
    made = 0
    end = time.monotonic() + 8
    while made < 40_000 and time.monotonic() < end:
        try:
            os.close(os.open(f"many-{made}", os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError:
            break
        made += 1
    time.sleep(0.2)
    if made >= 40_000:
        escaped(f"{made} files")


def open_many_files():
    opened = _count(300, lambda: os.dup(0))
    if opened > world["open_files"]:
        escaped(f"{opened} descriptors")


def lock_memory():
    for flags in (1, 3):
        attempt("mlockall", syscall, 151, flags)
