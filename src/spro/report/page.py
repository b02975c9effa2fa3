"""The whole page, and the file it becomes.

A content security policy stands behind the escaping: no address may be loaded and no script may run but the one whose
hash is named, so text that slipped through ``safe`` would still be inert.
"""

import base64
import hashlib
import os
from importlib import resources
from pathlib import Path

from spro.errors import RunFolderError
from spro.report.curves import render_curves
from spro.report.headline import render_headline, title
from spro.report.run import Run, read_run
from spro.report.text import safe, tag
from spro.report.tokens import render_tokens

HOW_TO_READ = (
    "Held-out accuracy is the result: trust a change only when it is larger than the 95 % intervals. "
    "Credit spread tells which term steers the update: a term whose spread is small beside the total hardly acts. "
    "In the coloured responses, look whether blue and orange fall on the tokens that decide the answer, or only on "
    "whole responses."
)


def write_report(run_folder: Path) -> Path:
    """Write ``report.html`` into a run folder.

    The page is written under a temporary name and renamed, so a reader never meets half a page.

    Args:
        run_folder: a folder with ``metrics.jsonl`` and, as far as the run got, ``config.yaml`` and ``rollouts/``.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: the folder is missing, damaged, or cannot be written to.
    """
    page = render_page(read_run(run_folder))
    path = run_folder / "report.html"
    temporary = run_folder / f".report.html.{os.getpid()}.tmp"
    try:
        temporary.write_text(page, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(
            f"{path} cannot be written ({error.strerror}): check permissions and free space"
        ) from error
    return path


def render_page(run: Run) -> str:
    """The page as text; the same run gives the same page."""
    body = render_headline(run) + render_curves(run.metrics) + render_tokens(run.groups) + _reading() + _config(run)
    return document(f"{title(run)} - {run.name}", body, script=_package_file("page.js"))


def document(name: str, body: str, extra_style: str = "", script: str = "") -> str:
    """A page of one file, in the report's style.

    Args:
        name: title of the window, as text.
        body: finished markup.
        extra_style: CSS behind the report's own.
        script: the only one that may run.
    """
    style = _package_file("style.css") + extra_style
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{safe(policy).replace("&#x27;", chr(39))}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"{tag('title', safe(name))}{tag('style', style)}"
    )
    rest = tag("div", id="tip", role="status", hidden=True) + tag("script", script) if script else ""
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{tag("main", body)}{rest}</body></html>\n'


def _reading() -> str:
    return tag(
        "section", tag("h2", "How to read this page") + tag("p", safe(HOW_TO_READ), class_="prose"), id="reading"
    )


def _config(run: Run) -> str:
    if not run.config_text.strip():
        return ""
    text = tag("pre", safe(run.config_text), class_="scroll", tabindex=0, role="region", aria_label="config.yaml")
    return tag("section", tag("details", tag("summary", "Resolved config") + text), id="config")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _package_file(name: str) -> str:
    return resources.files("spro.report").joinpath(name).read_text(encoding="utf-8")
