"""To hold everything back is easy: what programs may do, they can. And a test cannot spoil the next one."""

import pytest
from tests.security import cages
from tests.security.escapes import honest

LIMITS = cages.LIMITS | {"cpu_s": 10, "wall_s": 60.0, "total_s": 180.0, "memory_bytes": 2**30, "output_bytes": 2**20}

# Program, input, how it ends, and its output, or what says whether that is right.
EXPECTED = {
    "add_two_numbers": (b"20 22\n", "finished", b"42\n"),
    "complain_at_length": (b"", "finished", b"done\n"),
    "fault": (b"", "failed", b""),
    "leave_by_exception": (b"", "finished", b"said\n"),
    "leave_the_input_unread": (b"x" * 20 * 2**20, "finished", b"done\n"),
    "leave_with_a_code": (b"", "failed", b"said\n"),
    "leave_without_closing": (b"", "finished", b"whole"),
    "raise_an_error": (b"", "failed", b"said\n"),
    "read_all_of_the_input_as_bytes": (b"1\n2\n3", "finished", b"6\n"),
    "read_the_input_by_number": (b"1\n2\n3", "finished", b"6\n"),
    "recurse_deeply_in_a_thread": (b"", "finished", b"50000\n"),
    "start_a_pool_of_processes": (b"", "finished", b"55\nfrom a child\n"),
    "use_the_standard_library": (b"", "finished", b"kept 0.125 [(1, 3), (3, 2)] True\n"),
    "use_the_working_folder": (b"", "finished", lambda output: output.startswith(b"kept ['b', 'd.txt'")),
    "write_a_hundred_thousand_lines": (b"", "finished", b"".join(b"%d\n" % n for n in range(100_000))),
    "write_binary_and_escape_codes": (b"", "finished", b"\x1b[31mred\x1b[0m\x00\x07\xff\xfe\r\n\x1b]0;title\x07"),
    "write_what_is_no_utf8": (b"", "finished", b"\xc3\x28\xa0\xff caf\xe9\n"),
}


SPOILING = """
import os, sys
if sys.stdin.read() == "first":
    for name, text in (("kept", "kept"), ("program.py", "print('spoiled')"), ("json.py", "1/0"), ("heapq.py", "1/0")):
        with open(name, "w") as file:
            file.write(text)
    os.mkdir("closed")
    open("closed/kept", "w").close()
    try:
        os.chmod("closed", 0o500)
    except OSError:
        pass  # not everywhere allowed
    os.umask(0o777)
    os.environ["KEPT"] = "kept"
    import builtins
    builtins.print = None
else:
    import heapq, json
    print(sorted(set(os.listdir(".")) - {"program.py"}), os.umask(0o22) == 0o777, os.environ.get("KEPT"))
"""

LEAVING = "import os\nfor _ in range(3000): os.mkdir('deep'); os.chdir('deep')"

TELLING = """
import gc, os, sys
own = sys.stdin.read()
texts = [repr(thing) for thing in gc.get_objects() if isinstance(thing, (dict, list, tuple)) and len(thing) < 1000]
frame = sys._getframe()
while frame is not None:
    texts += [repr(frame.f_locals), repr(frame.f_globals)]
    frame = frame.f_back
for fd in range(3, 64):
    try:
        texts.append(repr(os.read(fd, 2**16)))
    except OSError:
        pass
found = any(own.replace("first", "second") in text for text in texts) and "second" not in own
print("found" if found else "not found", any(own in text for text in texts))
"""


@pytest.fixture(scope="module", params=cages.TRAINERS)
def trainer(request):
    level, has_user = cages.skip_unless_possible(request.param)
    stand_in = cages.Trainer(level, has_user)
    yield stand_in
    stand_in.close()


def test_every_program_has_an_expectation():
    assert set(cages.programs_of(honest)) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_honest_program_can_do_its_work(trainer, name):
    given, status, output = EXPECTED[name]
    (seen,) = trainer.run(cages.source_of(honest, name, is_honest=True), [given], LIMITS)
    assert seen.status == status, seen
    assert output(seen.stdout) if callable(output) else seen.stdout == output
    assert "\n" not in seen.detail
    assert len(seen.detail) <= 500


def test_a_test_cannot_spoil_the_next(trainer):
    first, second = trainer.run(SPOILING, [b"first", b"second"], LIMITS)
    assert first.status == "finished"
    assert (second.status, second.stdout) == ("finished", b"[] False None\n"), second


def test_no_test_begins_where_the_last_left_something(trainer):
    _, second = trainer.run(LEAVING, [b"first", b"second"], LIMITS)
    assert second.status == "lost", second


def test_a_test_does_not_know_the_inputs_of_others(trainer):
    first, second = trainer.run(TELLING, [b"of-the-first", b"of-the-second"], LIMITS)
    assert first.stdout == b"not found True\n", first
    assert second.stdout == b"not found True\n", second
