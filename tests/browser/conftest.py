"""A real browser: Debian's Chromium, driven by Playwright. What a page logs, or tries to load, fails its test."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
PATIENCE_MS = 120_000
"""A page that follows a run asks every two seconds, and its server rests four times as long as it took to answer; a
machine may stall beside."""
expect.set_options(timeout=PATIENCE_MS)
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Complaints:
    """What a page did unasked: console errors, uncaught exceptions, dialogs, requests to foreign addresses."""

    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console {message.type}: {message.text}")

    def _dialog(self, dialog) -> None:  # type: ignore[no-untyped-def]
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("file://", "data:", "blob:", "http://127.0.0.1:")):
            self.found.append(f"request: {request.url}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "the tests of pages need Chromium: apt-get install chromium"
    # As root Chromium runs without its own sandbox or not at all; the pages are our own.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=flags, timeout=PATIENCE_MS)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Empty at the end of the test, or the test fails."""
    gathered = Complaints()
    yield gathered
    assert gathered.found == []


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(browser: Browser, complaints: Complaints, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page at phone and at desktop width."""
    context = browser.new_context(viewport=request.param)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    complaints.watch(opened)
    yield opened
    context.close()


def screenshot(page: Page, name: str) -> None:
    """Kept where ``SPRO_SCREENSHOTS`` names a folder, for a person to look at."""
    folder = os.environ.get("SPRO_SCREENSHOTS")
    if folder:
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
