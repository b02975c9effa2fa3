"""Lines of JSON that a run appends to while it lives.

A killed run leaves its last line half written; that is an ordinary end and no error. The same damage further up means
that something else wrote into the file, and then no number of it can be trusted.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from spro.errors import RunFolderError


@dataclass(frozen=True, slots=True)
class Lines:
    """The records of one file.

    Attributes:
        records: one mapping a line, in file order.
        cut_off: the last line was half written and is left out.
    """

    records: tuple[dict[str, object], ...]
    cut_off: bool


def read_lines(path: Path) -> Lines:
    """Read a file of JSON objects, one a line.

    Raises:
        RunFolderError: the file cannot be read, or a line before the last is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from error
    # Not splitlines(): JSON allows U+2028 inside a string, and splitlines() would cut there.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    records: list[dict[str, object]] = []
    for number, line in lines:
        record = _parse(line)
        if record is None and number == lines[-1][0]:
            return Lines(tuple(records), cut_off=True)
        if record is None:
            raise RunFolderError(f"{path}, line {number} is no JSON object: remove that line and try again")
        records.append(record)
    return Lines(tuple(records), cut_off=False)


def _parse(line: str) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
