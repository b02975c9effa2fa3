"""The whole page, and the file it becomes.

A content security policy stands behind the escaping: no address may be loaded and no script may run but the one whose
hash is named, so text that slipped through ``safe`` would still be inert.
"""

import base64
import hashlib
from importlib import resources
from pathlib import Path

from spro.report.curves import render_curves
from spro.report.files import write_file
from spro.report.headline import render_headline, title
from spro.report.looks import look_rules
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

    Args:
        run_folder: a folder with ``metrics.jsonl`` and, as far as the run got, ``config.yaml`` and ``rollouts/``.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: the folder is missing, damaged, or cannot be written to.
    """
    return write_file(run_folder / "report.html", render_page(read_run(run_folder)).encode())


def render_page(run: Run) -> str:
    """The page as text; the same run gives the same page."""
    return document(f"{title(run)} - {run.name}", render_body(run), script=package_file("page.js"))


def render_body(run: Run) -> str:
    """What stands on the page."""
    return render_headline(run) + render_curves(run.metrics) + render_tokens(run.groups) + _reading() + _config(run)


def document(name: str, body: str, extra_style: str = "", script: str = "", connect: bool = False) -> str:
    """A page of one file, in the report's style.

    Args:
        name: title of the window, as text.
        body: finished markup.
        extra_style: CSS behind the report's own.
        script: the only one that may run; ``tip.js`` is put in front of it.
        connect: the script may ask the server that the page came from, and no other.
    """
    style = _style(extra_style)
    policy = content_policy(extra_style, script, connect)
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{safe(policy).replace("&#x27;", chr(39))}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"{tag('title', safe(name))}{tag('style', style)}"
    )
    rest = tag("div", id="tip", role="status", hidden=True) + tag("script", _script(script)) if script else ""
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{tag("main", body)}{rest}</body></html>\n'


def content_policy(extra_style: str = "", script: str = "", connect: bool = False) -> str:
    """What a page of these parts may do, as ``Content-Security-Policy``; arguments as of ``document``."""
    style, runs = _hash(_style(extra_style)), _hash(_script(script))
    policy = f"default-src 'none'; style-src {style}; script-src {runs}; base-uri 'none'"
    return f"{policy}; connect-src 'self'" if connect else policy


def _style(extra: str) -> str:
    return package_file("style.css") + look_rules() + extra


def _script(own: str) -> str:
    return package_file("tip.js") + own if own else ""


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


def package_file(name: str) -> str:
    """The text of a file beside this one: a script or a style."""
    return resources.files("spro.report").joinpath(name).read_text(encoding="utf-8")
