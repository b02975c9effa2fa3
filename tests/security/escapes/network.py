"""Programs that reach for sockets; those of the test listen, so that a connection is known to be possible."""

from tests.security.escapes.prelude import attempt, ctypes, escaped, os, socket, syscall, world


def connect_to_the_host():
    attempt("TCP", _connect, socket.AF_INET, ("127.0.0.1", world["port"]))
    attempt("TCP over IPv6", _connect, socket.AF_INET6, ("::1", world["port"]))


def connect_to_the_internet():
    # A machine without a network holds the first back by itself, not the second.
    attempt("1.1.1.1:53", _connect, socket.AF_INET, ("1.1.1.1", 53), 0.2)
    attempt("UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", world["port"])))


def _connect(family, address, timeout=1.0):
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.settimeout(timeout)
        link.connect(address)
        link.sendall(world["nonce"].encode())


def listen_on_the_host():
    for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0))):
        attempt(f"listening on {address}", _listen, family, address)


def _listen(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.bind(address)
        link.listen()


def connect_to_an_abstract_socket():
    attempt("abstract socket", _connect, socket.AF_UNIX, "\0" + world["name"])
    attempt("socket file", _connect, socket.AF_UNIX, world["socket"])


def send_to_an_abstract_socket():
    attempt("datagram", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", "\0d" + world["name"]))


def connect_an_end_of_a_pair():
    # No socket() and still a socket: a datagram end may be pointed elsewhere.
    near, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for address in ("\0d" + world["name"], world["datagram_socket"]):
        attempt(f"sent to {address!r}", near.sendto, b"x", address)
        attempt(f"connected to {address!r}", near.connect, address)


def pass_a_descriptor_out():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect("\0" + world["name"])
        socket.send_fds(link, [b"x"], [0])
        escaped("SCM_RIGHTS")


def resolve_a_name():
    attempt("getaddrinfo", lambda: socket.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM))
    for fd in range(3, 64):
        attempt(f"an inherited socket, {fd}", lambda fd=fd: socket.socket(fileno=os.dup(fd)).getsockname())


def open_vsock():
    attempt("AF_VSOCK", lambda: socket.socket(40, socket.SOCK_STREAM).close())


def open_netlink():
    for protocol in (0, 6, 9, 15, 16):
        attempt(f"AF_NETLINK {protocol}", lambda p=protocol: socket.socket(16, socket.SOCK_RAW, p).close())


def open_alg():
    attempt("AF_ALG", lambda: socket.socket(38, socket.SOCK_SEQPACKET).close())


def open_every_family():
    # AF_UNIX, which multiprocessing may want, reaches nothing: see the tests above.
    for family in range(2, 46):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            attempt(f"family {family}", lambda f=family, k=kind: socket.socket(f, k).close())


def connect_without_a_socket_call():
    # io_uring makes sockets that a filter of system calls never sees.
    attempt("io_uring_setup", syscall, 425, 4, ctypes.create_string_buffer(120))
