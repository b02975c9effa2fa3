"""``spro watch`` in a process of its own, a browser that looks on, and requests that are none of its business."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import screenshot
from tests.e2e.command import HANGS, spro
from tests.waiting import wait_for

# Started in the background a process may ignore Ctrl-C, whatever the test wants to show.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from spro.cli import main; sys.exit(main(sys.argv[1:]))"
)
CONFIG = "task:\n  type: chain\ncredit:\n  type: spro\ntrain:\n  steps: 60\n"


@contextmanager
def watched(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the address that it printed."""
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM, "watch", str(folder), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"(http://127\.0\.0\.1:\d+/) ", process.stdout.readline())
            assert found is not None
            yield process, found[1]
        finally:
            process.kill()


class Writer:
    """Writes a run as the trainer does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rollouts").mkdir(parents=True)
        (folder / "config.yaml").write_text(CONFIG)

    def step(self, step: int) -> None:
        row: dict[str, Any] = {"step": step, "accuracy": step / 60, "entropy": 1.0 / (step + 1), "time/step_s": 0.1}
        row |= {"credit/outcome_std": 0.5, "credit/msa_std": 0.01 * step, "grad_norm": 1.0}
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rollouts(self, step: int) -> None:
        sample = {"problem_id": "p", "prompt": "1+1?", "tokens": ["1", "+", "1", "<b>"], "step": step}
        rows = [
            sample
            | {
                "verdict": {"score": s, "status": "x"},
                "advantages": [s, 0.5, -s, -1.0],
                "terms": {"msa": [1, 0, -1, s]},
            }
            for s in (0.0, 1.0)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "rollouts" / f"step-{step:06d}.jsonl").write_text(text)


def test_the_page_follows_the_run_and_leaves_the_reader_in_peace(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with watched(folder) as (_, address):
        page.goto(address)
        expect(page.locator("h1")).to_have_text("Waiting for the first step")
        expect(page.locator("#live")).to_contain_text("waiting for the first step")
        page.evaluate("window.unloaded = false")
        writer = Writer(folder)
        for step in (1, 2, 3):
            writer.step(step)
        writer.rollouts(3)
        expect(page.locator("#live")).to_contain_text("step 3 of 60")
        expect(page.locator("h1")).to_have_text("SPRO on chain")
        expect(page.locator("#chart-entropy path.line")).to_have_count(1)
        # The page may have been made between the two files.
        expect(page.locator(".token").first).to_be_attached()

        page.locator("#chart-entropy summary").click()
        page.get_by_label("Colour by").select_option("msa")
        page.locator("#chart-entropy svg.plot").focus()
        page.keyboard.press("Home")
        before = page.locator("#chart-entropy").evaluate("e => e.getBoundingClientRect().top")
        curve = page.locator("#chart-entropy path.line").get_attribute("d")
        writer.step(4)
        expect(page.locator("#live")).to_contain_text("step 4 of 60")
        expect(page.locator("#chart-entropy tbody tr")).to_have_count(4)
        assert page.locator("#chart-entropy path.line").get_attribute("d") != curve
        assert page.locator("#chart-entropy details").get_attribute("open") is not None
        assert page.locator("#chart-entropy").evaluate("e => e.getBoundingClientRect().top") == pytest.approx(
            before, abs=1
        )
        assert page.get_by_label("Colour by").input_value() == "msa"
        expect(page.locator("#chart-entropy svg.plot")).to_be_focused()
        expect(page.locator("#tip")).to_contain_text("step 1\n")
        screenshot(page, "watch")

        token = page.locator(".token").nth(1)
        seen = page.locator(".token").first.get_attribute("class")
        token.evaluate("e => { window.kept = e; }")
        writer.step(5)
        expect(page.locator("#live")).to_contain_text("step 5 of 60")
        assert token.evaluate("e => e === window.kept"), "a section that stayed the same was replaced"
        assert page.locator(".token").first.get_attribute("class") == seen
        writer.step(60)
        expect(page.locator("#live")).to_contain_text("finished")
        assert page.evaluate("window.unloaded") is False
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        # It would go on asking a server that is gone.
        page.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a watched run."""
    folder = tmp_path_factory.mktemp("watch") / "run"
    Writer(folder).step(1)
    with watched(folder) as (_, address):
        yield int(address.rstrip("/").rpartition(":")[2])


def ask(port: int, method: str = "GET", path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    result = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return result


def test_the_version_is_told_and_nothing_else_of_the_disk(served: int) -> None:
    status, _, body = ask(served, path="/version")
    assert status == 200
    assert json.loads(body)["step"] == "step 1 of 60"
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/metrics.jsonl",
        "/version/",
    ):
        status, _, body = ask(served, path=path)
        assert (status, b"root" in body) == (404, False), path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "localhost.evil:{port}", ""]
)
def test_another_host_gets_no_page(served: int, host: str) -> None:
    for path in ("/", "/version"):
        status, _, body = ask(served, path=path, Host=host.format(port=served))
        assert status == 421
        assert b"SPRO" not in body
        assert b"version" not in body
    assert ask(served, Host=f"localhost:{served}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])
def test_nothing_can_be_done_to_it(served: int, method: str) -> None:
    status, headers, _ = ask(served, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_every_answer_forbids_other_sites(served: int) -> None:
    for method, path in (("GET", "/"), ("HEAD", "/"), ("GET", "/nowhere"), ("POST", "/")):
        _, headers, _ = ask(served, method, path, Origin="https://evil.example")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "connect-src 'self'; frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("Access-Control")]
    status, headers, body = ask(served, "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


def test_a_request_that_is_none_gets_an_answer_that_forbids_as_much(served: int) -> None:
    with socket.create_connection(("127.0.0.1", served), timeout=HANGS) as connection:
        connection.sendall(b"<script>alert(1)</script>\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"<script>" not in answer


def test_another_machine_is_not_listened_to(served: int) -> None:
    with socket.socket() as other:
        # The wildcard address would be taken if the server listened on more than loopback.
        other.bind(("127.0.0.2", served))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_ends_cleanly(tmp_path: Path, number: int, code: int) -> None:
    with watched(tmp_path / "run") as (process, address):
        assert ask(int(address.rstrip("/").rpartition(":")[2]))[0] == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=HANGS)
        assert (process.returncode, errors) == (code, "")


def test_what_cannot_be_watched_is_one_line(tmp_path: Path, served: int) -> None:
    (tmp_path / "file").write_text("")
    for words, told in (
        ((tmp_path / "file" / "run",), "is a file: check the path"),
        ((tmp_path / "file",), "is a file: give the run folder"),
        ((tmp_path, "--port", served), f"port {served} of 127.0.0.1 cannot be used"),
        ((tmp_path, "--port", 70000), "port 70000 is none"),
    ):
        done = spro("watch", *words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


def test_many_readers_leave_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Writer(folder).step(1)
    with watched(folder) as (process, address):
        port = int(address.rstrip("/").rpartition(":")[2])

        def held() -> tuple[int, int]:
            return len(os.listdir(f"/proc/{process.pid}/fd")), len(os.listdir(f"/proc/{process.pid}/task"))

        ask(port)
        for _ in range(200):
            assert ask(port)[0] == 200
        # Threads may still be on their way out.
        wait_for(lambda: max(held()) < 20)
