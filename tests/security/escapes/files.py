"""Programs that reach for files: the host's secrets, and places that outlast the run."""

# ruff: noqa: SIM115 - programs are written as programs are
from tests.security.escapes.prelude import attempt, ctypes, errno, escaped, name_me, os, sys, syscall, time, world


def read_shadow_and_passwd():
    for path in ("/etc/shadow", "/etc/passwd"):
        attempt(path, lambda path=path: open(path).read(1))


def list_homes():
    for folder in ("/root", "/home", "/work", "/proc/1/root", "/proc/1/cwd", "/sys/class", "/var", "/run", "/etc"):
        try:
            names = set(os.listdir(folder))
        except OSError:
            continue
        # Nothing but the way to the interpreter and the loader's index is no breach.
        inside = sys.base_prefix.removeprefix(folder + "/") if sys.base_prefix.startswith(folder + "/") else ""
        if names - {inside.split("/")[0], "ld.so.cache"}:
            escaped(f"{folder}: {sorted(names)[:5]}")


def read_expected_outputs():
    attempt("expected outputs", lambda: open(world["secret_file"]).read(1))


def scan_command_lines():
    # Those that are listed as well: there may be millions of numbers.
    for pid in {*range(1, 2**15), *_listed()}:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if world["secret_hint"].encode() in file.read():
                    escaped(f"a command line, {pid}")
        except OSError:
            continue


def _listed():
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def read_tokens_of_the_environment():
    for name, value in os.environ.items():
        if "TOKEN" in name or world["secret_hint"] in value:
            escaped(f"{name}={value}")


def read_environments_of_others():
    for pid in {os.getppid(), 1, world["pid"], *range(1, 300)}:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if world["secret_hint"].encode() in file.read():
                    escaped(f"environment of {pid}")
        except OSError:
            continue


def read_inherited_descriptors():
    for fd in range(3, 1024):
        try:
            text = os.pread(fd, 2**16, 0)
        except OSError:
            continue
        if world["secret_hint"].encode() in text:
            escaped(f"descriptor {fd}")


def write_system_folders():
    import sysconfig

    here = {sys.prefix, sys.base_prefix, sysconfig.get_paths()["stdlib"], os.path.dirname(os.__file__)}
    for folder in {"/", "/usr", "/usr/lib", "/usr/local/lib", "/etc", "/var/tmp", "/dev", "/run", "/sys", *here}:
        path = os.path.join(folder, world["name"])
        attempt(f"wrote into {folder}", os.close, _create(path))


def _create(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError:
        return -1


def write_host_folder():
    for path in (world["open_folder"] + "/x", f"/tmp/{world['name']}"):
        try:
            with open(path, "w") as file:
                file.write(world["nonce"])
        except OSError:
            continue


def overwrite_host_file():
    try:
        with open(world["open_file"], "w") as file:
            file.write("changed")
    except OSError:
        pass
    attempt("truncated", os.truncate, world["open_file"], 0)
    attempt("touched", os.utime, world["open_file"])
    attempt("chmod", os.chmod, world["open_file"], 0o600)


def write_compiled_stdlib():
    import json

    for module in (json, os):
        folder = os.path.join(os.path.dirname(module.__file__), "__pycache__")
        attempt(f"made {folder}", os.makedirs, folder + "/" + world["name"])
        attempt(f"rewrote {module.__file__}", os.close, _create(module.__file__))


def write_own_source():
    # Its own copy it may write; what the next test runs is a fresh one (``test_a_test_cannot_spoil_the_next``).
    import runpy

    for module in (os, sys.modules.get("encodings"), runpy):
        attempt(f"source of {module.__name__}", lambda module=module: open(module.__file__, "a").close())
        attempt(f"mode of {module.__name__}", os.chmod, module.__file__, 0o644)


def follow_symlink_out_of_the_folder():
    for number, target in enumerate((world["secret_file"], "/etc/passwd", "/proc/1/environ")):
        link = f"link-{world['name']}-{number}"
        try:
            os.symlink(target, link)
        except OSError:
            continue
        attempt(f"through a symlink: {target}", lambda link=link: open(link).read(1))
        os.unlink(link)


def leave_symlinks_and_pipes():
    # The host must neither follow the one nor wait for the other when it counts or clears the folder.
    for folder in (".", "/tmp"):
        try:
            os.mkfifo(f"{folder}/pipe-{world['name']}")
            os.symlink("/", f"{folder}/root-{world['name']}")
            os.makedirs(f"{folder}/deep-{world['name']}/" + "d/" * 200)
            os.mkdir(f"{folder}/closed-{world['name']}", 0)
            os.symlink(world["open_folder"], f"{folder}/open-{world['name']}")
        except OSError:
            continue
    name_me("-fifo")
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)


def hard_link_host_files():
    for number, target in enumerate((world["open_file"], world["secret_file"], "/etc/passwd", "/usr/bin/env")):
        for folder in (".", world["folder"]):
            link = f"{folder}/hard-{world['name']}-{number}"
            attempt(f"hard link to {target}", os.link, target, link)


def change_root():
    attempt("chroot", os.chroot, "/")
    attempt("chroot", os.chroot, ".")


def open_devices():
    names = "nvidia0 nvidiactl nvidia-uvm dri kfd kvm fuse mem kmsg vda sda userfaultfd net/tun loop-control vsock"
    for name in [*names.split(), "hwrng", "console", "tty0", "ttyS0", "vfio/vfio", "btrfs-control", "mqueue", "zram0"]:
        attempt(f"/dev/{name}", os.close, _open_read(f"/dev/{name}"))


def _open_read(path):
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK) if error.errno == errno.EACCES else -1


def make_device_nodes():
    for number in (0x100 * 1 + 1, 0x100 * 254):
        attempt("mknod", os.mknod, f"node-{world['name']}", 0o600 | 0o020000, number)


def use_file_handles():
    handle = ctypes.create_string_buffer(136)
    ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
    mount_id = ctypes.c_int()
    for path in (b"/", b"/usr", b"."):
        attempt("name_to_handle_at", syscall, 303, -100, path, handle, ctypes.byref(mount_id), 0)
        folder = os.open("/", os.O_RDONLY)
        attempt("open_by_handle_at", syscall, 304, folder, handle, 0)


def open_core_pattern():
    for name in ("core_pattern", "hostname", "modprobe", "randomize_va_space"):
        attempt(name, lambda name=name: os.close(os.open(f"/proc/sys/kernel/{name}", os.O_WRONLY)))
    attempt("sysrq", lambda: os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY)))


def preload_a_library():
    attempt("/etc/ld.so.preload", lambda: open("/etc/ld.so.preload", "a").close())
    attempt("/etc/ld.so.cache", lambda: open("/etc/ld.so.cache", "a").close())


def dump_core():
    import resource

    attempt("a larger core limit", resource.setrlimit, resource.RLIMIT_CORE, (2**20, 2**20))
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), 6)
    _, status = os.waitpid(pid, 0)
    if status & 0x80:
        escaped("a core was dumped")


def climb_with_dots():
    for depth in range(12):
        path = "../" * depth + world["secret_file"].lstrip("/")
        attempt(f"climbed {depth}", lambda path=path: open(path).read(1))
    for fd in range(64):
        attempt(f"from descriptor {fd}", lambda fd=fd: os.open("../../../.." + world["secret_file"], 0, dir_fd=fd))


def run_host_programs():
    import subprocess

    if world["tool"]:
        attempt("a program of the host", lambda: subprocess.run([world["tool"]], check=True))


def change_what_no_open_guards():
    # Landlock has no say in these; a program with the trainer's uid would own the trainer's files.
    path = world["own_file"]
    attempt("chmod", os.chmod, path, 0)
    attempt("utime", os.utime, path, (1, 1))
    attempt("chown", os.chown, path, os.getuid(), os.getgid())
    attempt("setxattr", os.setxattr, path, "user.x", b"x")
    attempt("inotify", _watch, world["open_folder"])


def _watch(path):
    if ctypes.CDLL(None, use_errno=True).inotify_add_watch(syscall(294, 0), path.encode(), 0xFFF) < 0:
        raise OSError(ctypes.get_errno(), path)
