"""A run while it goes on: the page of now, made anew when a file of the run has changed.

A run is asked for its page far more often than it changes, and rendering takes time that training could use. So a page
is kept until the files differ, and making one may take a fifth of the time at most.
"""

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from spro.errors import RunFolderError
from spro.report.headline import title
from spro.report.page import content_policy, document, package_file, render_body
from spro.report.run import Run, read_run
from spro.report.text import NBSP, duration, safe, tag

SILENT_SECONDS = 60.0
SILENT_STEPS = 5
REST = 4.0
WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reader sees.

    Attributes:
        version: another one whenever the page differs.
        page: the document.
        step: how far the run is, in words.
        state: whether it is still written to, in words.
    """

    version: str
    page: str
    step: str
    state: str


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The last page that could be made; ``longest``: seconds of the run's longest step."""

    version: str
    page: str
    step: str
    is_finished: bool
    longest: float


class LiveRun:
    """A run folder that may not exist yet; several threads may ask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._print = ""
        self._trouble = ""
        self._rest_until = 0.0
        self._rendered = _Rendered(WAITING, _waiting_page(folder), "waiting for the first step", False, 0.0)

    def show(self) -> Shown:
        """The page of now. A run that cannot be read keeps its last good page, and says why."""
        with self._lock:
            found = _fingerprint(self.folder)
            if found != self._print and time.monotonic() >= self._rest_until:
                self._render(found)
            now = self._rendered
            state = self._trouble or _state(self.folder, now)
            return Shown(now.version, now.page, now.step, state)

    def _render(self, found: str) -> None:
        self._print, self._trouble = found, ""
        begun = time.monotonic()
        try:
            # A folder without one whole line is no broken run, it is a young one.
            if b"\n" in _content(self.folder / "metrics.jsonl"):
                self._rendered = _render(read_run(self.folder), found)
        except RunFolderError as error:
            self._trouble = str(error)
        except Exception as error:
            # Whatever it is, a page that stays as it was must not pass for the one of now.
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._trouble = f"the page of now cannot be made ({reason}); this is the last one"
        self._rest_until = time.monotonic() + REST * (time.monotonic() - begun)


def live_policy() -> str:
    """The content policy of every live page; as a header it also forbids frames, which a page itself cannot."""
    return f"{content_policy(script=_script(), connect=True)}; frame-ancestors 'none'"


def _script() -> str:
    return f"{package_file('page.js')}\n{package_file('watch.js')}"


def _page(name: str, body: str, version: str) -> str:
    return document(name, tag("div", body, id="live-run", data_version=version), script=_script(), connect=True)


def _waiting_page(folder: Path) -> str:
    name = folder.resolve().name
    text = "This run has no finished step yet. Its curves appear here as soon as it has, without a reload."
    head = tag("p", f"Training run {tag('code', safe(name))}", class_="kicker") + tag(
        "h1", "Waiting for the first step"
    )
    return _page(f"waiting - {name}", tag("header", head + tag("p", safe(text), class_="prose")), WAITING)


def _render(run: Run, version: str) -> _Rendered:
    last, planned = run.metrics.steps[-1], run.setting("train").get("steps")
    is_planned = isinstance(planned, int) and not isinstance(planned, bool)
    step = f"step {last:,} of {planned:,}" if is_planned else f"step {last:,}"
    seconds = [value for _, value in run.metrics.series("time/step_s").points]
    page = _page(f"{title(run)} - {run.name}", render_body(run), version)
    is_finished = isinstance(planned, int) and is_planned and last >= planned
    return _Rendered(version, page, step, is_finished, max(seconds, default=0.0))


def _state(folder: Path, now: _Rendered) -> str:
    if now.is_finished:
        return "finished"
    try:
        age = max(0.0, time.time() - (folder / "metrics.jsonl").stat().st_mtime)
    except OSError:
        return "no metrics.jsonl yet" if now.version == WAITING else "metrics.jsonl is gone; this is its last page"
    if age > max(SILENT_SECONDS, SILENT_STEPS * now.longest):
        return f"nothing new for {duration(age)}: it was stopped, or this step is a long one"
    return f"written {age:.0f}{NBSP}s ago" if age < 60 else f"written {duration(age)} ago"


def _fingerprint(folder: Path) -> str:
    """Of what the page is made of: another one when a file came, went, grew or was replaced."""
    files = [folder / "config.yaml", folder / "metrics.jsonl", *sorted(folder.glob("rollouts/step-*.jsonl"))]
    seen = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue
        seen.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
