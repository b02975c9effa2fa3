"""Programs that mean no harm and are odd: a sandbox that fails them gives wrong rewards."""

# ruff: noqa: SIM115 - programs are written as programs are
from tests.security.escapes.prelude import ctypes, os, sys, time


def add_two_numbers():
    a, b = map(int, sys.stdin.readline().split())
    print(a + b)


def read_all_of_the_input_as_bytes():
    print(sum(map(int, sys.stdin.buffer.read().split())))


def read_the_input_by_number():
    print(sum(map(int, open(0).read().split())))


def recurse_deeply_in_a_thread():
    import threading

    sys.setrecursionlimit(200_000)
    threading.stack_size(2**26)

    def depth(n):
        return 0 if n == 0 else 1 + depth(n - 1)

    thread = threading.Thread(target=lambda: print(depth(50_000)))
    thread.start()
    thread.join()


def leave_the_input_unread():
    print("done")


def write_binary_and_escape_codes():
    os.write(1, b"\x1b[31mred\x1b[0m\x00\x07\xff\xfe\r\n\x1b]0;title\x07")


def write_what_is_no_utf8():
    sys.stdout.buffer.write(b"\xc3\x28\xa0\xff caf\xe9\n")


def write_a_hundred_thousand_lines():
    for number in range(100_000):
        print(number)


def complain_at_length():
    for _ in range(200):
        os.write(2, b"x" * 2**14 + b"\n")
    print("done")


def leave_without_closing():
    sys.stdout.write("whole")
    sys.stdout.flush()
    os._exit(0)


def leave_by_exception():
    print("said")
    raise SystemExit


def leave_with_a_code():
    print("said")
    sys.exit(3)


def raise_an_error():
    print("said")
    raise KeyError("missing")


def fault():
    ctypes.string_at(8)


def use_the_standard_library():
    import collections
    import decimal
    import heapq
    import itertools
    import tempfile

    with tempfile.NamedTemporaryFile("w+", delete=True) as file:
        file.write("kept")
        file.seek(0)
        kept = file.read()
    heap = [3, 1, 2]
    heapq.heapify(heap)
    pairs = list(itertools.pairwise(collections.deque(heap)))
    print(kept, decimal.Decimal(1) / 8, pairs, time.time() > 0)


def use_the_working_folder():
    with open("a.txt", "w") as file:
        file.write("kept")
    os.makedirs("b/c")
    os.rename("a.txt", "d.txt")
    print(open("d.txt").read(), sorted(os.listdir(".")), os.environ["HOME"] == os.getcwd())
    os.remove("d.txt")


def start_a_pool_of_processes():
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        print(sum(pool.map(abs, range(-10, 0))))
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, b"from a child")
        os._exit(0)
    print(os.read(reading, 100).decode())
    os.wait()
