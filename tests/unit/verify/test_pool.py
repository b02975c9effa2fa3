import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.waiting import is_alive, wait_for
from verify_helpers import ODD_WORKER

from spro.errors import ConfigError, WorkerError
from spro.verify.workers.pool import WorkerPool
from spro.verify.workers.process import WorkerProcess
from spro.verify.workers.serve import MEMORY_EXIT_CODE
from spro.verify.workers.wire import Outcome

pytestmark = pytest.mark.usefixtures("no_orphans")
ECHO = {"do": "echo", "text": "\ud800\0 and \u00e9"}
GIB = 2**30


@pytest.fixture
def pool(odd_program):
    with WorkerPool(1, 50.0, GIB, program=odd_program) as pool:
        yield pool


def test_starts_when_needed_and_stays(pool):
    assert pool.pids == []
    first = pool.ask(ECHO)
    assert first.outcome is Outcome.ANSWERED
    assert first.body == {"text": ECHO["text"], "pid": pool.pids[0]}
    assert pool.ask(ECHO).body == first.body


def test_worker_is_confined(odd_program, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    with WorkerPool(1, 50.0, GIB, program=odd_program) as pool:
        seen = pool.ask({"do": "confinement"}).body
    assert seen["environment"].keys() <= {"PATH", "LANG", "SYMPY_GROUND_TYPES", "LD_LIBRARY_PATH", "LC_CTYPE"}
    assert seen["environment"]["SYMPY_GROUND_TYPES"] == "python"
    assert seen["core"] == [0, 0]
    assert seen["memory"] == [GIB, GIB]
    assert seen["interrupt"]
    assert seen["group"]
    assert not seen["torch"]


def test_deadline_kills_what_ignores_signals(pool, monkeypatch):
    pid = pool.ask(ECHO).body["pid"]
    with monkeypatch.context() as patched:
        # For this request only: the others are to be answered on the slowest of machines.
        patched.setattr(pool, "_timeout_s", 1.0)
        began = time.monotonic()
        assert pool.ask({"do": "stubborn"}).outcome is Outcome.TIMEOUT
        assert 1.0 <= time.monotonic() - began < 40.0
    assert not is_alive(pid)
    assert pool.ask(ECHO).outcome is Outcome.ANSWERED


def test_start_is_outside_the_deadline(odd_program, monkeypatch):
    limits = []

    def ask(worker, request, timeout_s, cpu_timeout_s):
        limits.append(timeout_s)
        return real(worker, request, 60.0, cpu_timeout_s)

    real = WorkerProcess.ask
    monkeypatch.setattr(WorkerProcess, "ask", ask)
    began = time.monotonic()
    with WorkerPool(1, 0.5, GIB, program=(*odd_program, "slow")) as pool:
        assert pool.ask(ECHO).outcome is Outcome.ANSWERED
    assert time.monotonic() - began > 0.5
    assert limits == [0.5], "all of it is for the answer"


def test_start_has_a_deadline_of_its_own(odd_program):
    with (
        WorkerPool(1, 60.0, GIB, program=(*odd_program, "never"), start_timeout_s=0.1) as pool,
        # The first where the system itself was slow to make the process.
        pytest.raises(WorkerError, match=r"did not start (a worker )?within 0\.1 s"),
    ):
        pool.ask(ECHO)


def test_allocation_is_memory(pool):
    assert pool.ask({"do": "allocate", "bytes": 8 * GIB}).outcome is Outcome.MEMORY
    assert pool.ask(ECHO).outcome is Outcome.ANSWERED


def test_death_for_want_of_memory_is_memory(pool):
    assert pool.ask({"do": "exit", "code": MEMORY_EXIT_CODE}).outcome is Outcome.MEMORY
    assert pool.ask(ECHO).outcome is Outcome.ANSWERED


def test_swollen_worker_is_replaced(pool):
    first = pool.ask({"do": "swell", "bytes": GIB * 6 // 10})
    assert first.outcome is Outcome.ANSWERED
    assert not is_alive(first.body["pid"])
    assert pool.ask(ECHO).outcome is Outcome.ANSWERED


def test_worker_is_recycled(odd_program):
    with WorkerPool(1, 50.0, GIB, program=odd_program, calls_per_worker=2) as pool:
        first, second, third = (pool.ask(ECHO).body["pid"] for _ in range(3))
    assert first == second != third


@pytest.mark.parametrize(
    ("request_", "cause"),
    [
        ({"do": "exit", "code": 3}, "exit code 3"),
        ({"do": "exit", "code": 0}, "exit code 0"),
        ({"do": "crash"}, "SIGSEGV"),
        ({"do": "raise"}, "LookupError: of my own making"),
        ({"do": "gibberish"}, "makes no sense"),
    ],
)
def test_other_failures_are_errors_and_the_pool_lives_on(pool, request_, cause):
    with pytest.raises(WorkerError, match=cause) as caught:
        pool.ask(request_)
    assert "\n" not in str(caught.value)
    assert pool.ask(ECHO).outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        (("-m", "spro.there_is_no_such_module"), "No module named"),
        (("/nonexistent/worker.py",), "No such file"),
        ((ODD_WORKER, "broken"), "RuntimeError: cannot come up"),
    ],
)
def test_unstartable_worker(program, cause):
    with WorkerPool(1, 20.0, GIB, program=program) as pool, pytest.raises(WorkerError, match=cause):
        pool.ask(ECHO)


def test_unstartable_interpreter(odd_program, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with WorkerPool(1, 20.0, program=odd_program) as pool, pytest.raises(WorkerError, match="cannot start a worker"):
        pool.ask(ECHO)


def test_killed_while_idle_is_retried(pool):
    pid = pool.ask(ECHO).body["pid"]
    os.kill(pid, signal.SIGKILL)
    assert pool.ask(ECHO).body["pid"] != pid


def test_killed_amid_work_is_retried(pool, tmp_path):
    mark = tmp_path / "mark"
    with ThreadPoolExecutor(1) as threads:
        reply = threads.submit(pool.ask, {"do": "once", "mark": str(mark)})
        wait_for(mark.exists)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        assert reply.result().body["pid"] != pid


def test_prints_do_not_reach_the_protocol(pool):
    assert pool.ask({"do": "print"}).body == {"read": ""}
    assert pool.ask(ECHO).outcome is Outcome.ANSWERED


def test_worker_outlives_the_thread_that_needed_it_first(pool):
    pids = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: pids.append(pool.ask(ECHO).body["pid"]))
        thread.start()
        thread.join()
    assert len(set(pids)) == 1


def test_workers_work_at_the_same_time(odd_program, tmp_path):
    # Each waits for the other, so one after the other would end in a timeout.
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with WorkerPool(2, 50.0, GIB, program=odd_program) as pool, ThreadPoolExecutor(2) as threads:
        requests = [{"do": "meet", "mine": a, "theirs": b}, {"do": "meet", "mine": b, "theirs": a}]
        assert [reply.outcome for reply in threads.map(pool.ask, requests)] == [Outcome.ANSWERED] * 2
        assert len(pool.pids) == 2


def test_replies_go_to_their_requests(odd_program):
    with WorkerPool(2, 50.0, GIB, program=odd_program) as pool, ThreadPoolExecutor(6) as threads:
        replies = threads.map(lambda n: pool.ask({"do": "echo", "text": str(n)}), range(200))
        assert [reply.body["text"] for reply in replies] == [str(n) for n in range(200)]


def test_close_ends_work_under_way_and_waiting_calls(odd_program, tmp_path):
    started = tmp_path / "started"
    with WorkerPool(1, 60.0, GIB, program=odd_program) as pool, ThreadPoolExecutor(2) as threads:
        under_way = threads.submit(pool.ask, {"do": "sleep", "started": str(started)})
        wait_for(started.exists)
        waiting = threads.submit(pool.ask, ECHO)
        began = time.monotonic()
        pool.close()
        for future in (under_way, waiting):
            with pytest.raises(WorkerError, match="closed"):
                future.result()
        assert time.monotonic() - began < 40.0, "long before the worker's sixty"
        pool.close()


def test_control_c_amid_a_request_leaves_no_stale_reply(pool, tmp_path):
    def interrupt():
        wait_for((tmp_path / "started").exists)
        os.kill(os.getpid(), signal.SIGINT)

    killer = threading.Thread(target=interrupt)
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        pool.ask({"do": "sleep", "started": str(tmp_path / "started")})
    killer.join()
    assert pool.pids == []
    assert pool.ask(ECHO).body["text"] == ECHO["text"]


def test_workers_die_with_a_killed_trainer(tmp_path):
    started = tmp_path / "started"
    script = (
        "import threading, sys\n"
        "from spro.verify.workers.pool import WorkerPool\n"
        f"pool = WorkerPool(1, 60.0, program=({ODD_WORKER!r},))\n"
        f"request = {{'do': 'sleep', 'started': {str(started)!r}}}\n"
        "threading.Thread(target=pool.ask, args=(request,)).start()\n"
        "while not pool.pids: pass\n"
        "print(pool.pids[0], flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-I", "-c", script], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        worker = int(trainer.stdout.readline())
        wait_for(started.exists)
        assert is_alive(worker)
        trainer.kill()
    wait_for(lambda: not is_alive(worker))


def spare_of(pool):
    (pid,) = wait_for(lambda: pool.spare_pids)
    return pid


def all_spares_of(pool):
    """Those too that are wanted and not up yet: the one thread that starts them has nothing else to do then."""
    pool._starter.submit(int).result()
    return pool.spare_pids


def test_spare_takes_the_place_of_a_killed_worker(odd_program):
    with WorkerPool(1, 50.0, GIB, program=odd_program, spares=1, cpu_timeout_s=0.5) as pool:
        assert pool.spare_pids == []
        assert pool.ask(ECHO).body["pid"] == pool.pids[0]
        spare = spare_of(pool)
        assert pool.ask({"do": "stubborn"}).outcome is Outcome.TIMEOUT
        assert pool.ask(ECHO).body["pid"] == spare
        assert spare_of(pool) != spare
    assert pool.spare_pids == []


def test_never_more_spares_than_wanted(odd_program):
    with WorkerPool(2, 50.0, GIB, program=odd_program, spares=1) as pool, ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda n: pool.ask({"do": "echo", "text": str(n)}), range(100)))
        spare_of(pool)
        list(threads.map(lambda n: pool.ask({"do": "echo", "text": str(n)}), range(100)))
        assert len(all_spares_of(pool)) == 1


def test_dead_spare_is_not_taken(odd_program):
    with WorkerPool(1, 50.0, GIB, program=odd_program, spares=1) as pool:
        pool.ask(ECHO)
        spare = spare_of(pool)
        os.kill(spare, signal.SIGKILL)
        wait_for(lambda: not is_alive(spare))
        os.kill(pool.pids[0], signal.SIGKILL)
        assert pool.ask(ECHO).body["pid"] != spare


def test_what_cannot_start_gets_no_spare():
    with WorkerPool(1, 20.0, program=(ODD_WORKER, "broken"), spares=1) as pool:
        for _ in range(2):
            with pytest.raises(WorkerError):
                pool.ask(ECHO)
        assert all_spares_of(pool) == []


def test_waiting_is_logged_and_ends(odd_program, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("spro.verify.workers.pool._PATIENCE_S", 0.1)
    monkeypatch.setattr("spro.verify.workers.process._PATIENCE_S", 0.1)
    monkeypatch.setattr("spro.verify.workers.process._TICK_S", 0.1)
    started = tmp_path / "started"
    with WorkerPool(1, 50.0, GIB, program=odd_program) as pool, ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(pool.ask, {"do": "sleep", "started": str(started)})
        wait_for(started.exists)
        # As if the holder of the only worker were stuck.
        monkeypatch.setattr(pool, "_start_timeout_s", 0.1)
        monkeypatch.setattr(pool, "_timeout_s", 0.1)
        with pytest.raises(WorkerError, match="none of 1 workers became idle within"):
            pool.ask(ECHO)
        # By another thread, which may be late.
        wait_for(lambda: f"waiting for worker {pool.pids[0]} to answer" in caplog.text)
        pool.close()
        with pytest.raises(WorkerError):
            under_way.result()
    assert "waiting for one of 1 workers, none idle" in caplog.text


@pytest.mark.parametrize(("size", "timeout_s"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan")), (1, float("inf"))])
def test_impossible_settings(size, timeout_s):
    with pytest.raises(ConfigError, match=r"impossible|can do nothing"):
        WorkerPool(size, timeout_s)


@pytest.mark.parametrize("module", ["spro.verify", "spro.verify.math.worker"])
def test_nothing_here_imports_torch(module):
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    assert "torch" not in loaded.split()
    # Text from a model meets sympy in the worker only.
    assert ("sympy" in loaded.split()) == (module == "spro.verify.math.worker")


def test_seconds_of_the_cpu_end_what_burns_them(odd_program):
    with WorkerPool(1, 60.0, GIB, program=odd_program, cpu_timeout_s=0.5) as pool:
        pool.ask(ECHO)
        began = time.monotonic()
        assert pool.ask({"do": "stubborn"}).outcome is Outcome.TIMEOUT
        assert time.monotonic() - began < 50, "long before the clock's sixty"
        assert pool.ask(ECHO).outcome is Outcome.ANSWERED


def test_seconds_of_the_cpu_do_not_end_what_waits(odd_program):
    with WorkerPool(1, 60.0, GIB, program=odd_program, cpu_timeout_s=0.5) as pool:
        # As on a machine so busy that the worker hardly runs.
        assert pool.ask({"do": "nap", "seconds": 2.0}).outcome is Outcome.ANSWERED


def test_where_the_cpu_clock_cannot_be_read_the_wall_clock_rules(odd_program, monkeypatch):
    def refuse(clock):
        raise OSError("no such clock")

    monkeypatch.setattr(time, "clock_gettime", refuse)
    monkeypatch.setattr("spro.verify.workers.process._PATIENCE_S", 0.2)
    with WorkerPool(1, 60.0, GIB, program=odd_program, cpu_timeout_s=0.3) as pool:
        assert pool.ask({"do": "nap", "seconds": 2.0}).outcome is Outcome.ANSWERED


def test_what_a_worker_said_of_earlier_requests_takes_no_room(odd_program):
    with WorkerPool(1, 50.0, GIB, program=odd_program) as pool:
        for _ in range(20):
            pool.ask({"do": "print"})
        log = next(slot.worker for slot in pool._slots)._log
        assert os.fstat(log.fileno()).st_size < 300_000
