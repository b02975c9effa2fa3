"""A page for this machine alone: three fixed addresses, nothing to write, and no answer to another site's page.

Loopback is not a wall: any page that a browser shows may send requests to it. Hence the check of the host (against a
name that its owner points to 127.0.0.1), no word of cross-origin permission, and no path that reaches the disk.
"""

import json
import socketserver
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from spro.report.live import LiveRun, live_policy

ADDRESS = "127.0.0.1"
IDLE_SECONDS = 10.0


class LiveServer(ThreadingHTTPServer):
    """Serves the page of one run on 127.0.0.1.

    Args:
        run: whose page.
        port: 0 for a free one.

    Raises:
        OSError: the port is taken, or may not be used.
    """

    daemon_threads = True

    def __init__(self, run: LiveRun, port: int) -> None:
        self.run = run
        self.policy = live_policy()
        super().__init__((ADDRESS, port), _Handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Without the look-up of this machine's name, which may wait for a network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who leaves in the middle is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """One of the fixed addresses."""
        if not self._is_for_us():
            self._reply(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", f"open http://{ADDRESS}:{self.server.port}/\n")
        elif self.path == "/":
            self._reply(HTTPStatus.OK, "text/html", self.server.run.show().page)
        elif self.path == "/version":
            shown = self.server.run.show()
            state = {"version": shown.version, "step": shown.step, "state": shown.state}
            self._reply(HTTPStatus.OK, "application/json", json.dumps(state))
        elif self.path == "/favicon.ico":
            self._reply(HTTPStatus.NO_CONTENT, "text/plain", "")
        else:
            self._reply(HTTPStatus.NOT_FOUND, "text/plain", "there are / and /version\n")

    def do_HEAD(self) -> None:
        """As GET, without the content."""
        self.do_GET()

    def __getattr__(self, name: str) -> Callable[[], None]:
        """The answer to every other method."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return lambda: self._reply(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", "GET and HEAD only\n")

    def _is_for_us(self) -> bool:
        port = self.server.port
        names = {f"{ADDRESS}:{port}", f"localhost:{port}"} | ({ADDRESS, "localhost"} if port == 80 else set())
        given = self.headers.get_all("Host") or []
        return len(given) == 1 and given[0].strip().lower() in names

    def _reply(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        """Of every answer, also of those to a request that could not be read."""
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def version_string(self) -> str:
        """No versions for those who ask around."""
        return "spro"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a page that asks every two seconds would fill the terminal."""
