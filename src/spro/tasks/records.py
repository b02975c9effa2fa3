"""Rows out of files: Parquet, JSON Lines, or a JSON list; one file, a folder, or a hub repository."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from spro.errors import DataError

SUFFIXES = (".parquet", ".jsonl", ".json")
PARQUET_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One row and where it stands, for messages: ``train.jsonl row 17``."""

    where: str
    values: dict[str, Any]


def read_rows(path: str, split: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file, a folder or a hub repository, in order of file name and row.

    Args:
        path: a .parquet, .jsonl or .json file, a folder of them, or a hub id such as ``PRIME-RL/Eurus-2-RL-Data``.
        split: in a folder, only files whose name begins with this are read, if there are any.
        columns: the only columns that are read where the format allows it (Parquet).

    Raises:
        DataError: nothing is there, or a file or row cannot be read; names file and row.
    """
    for file in _find_files(path, split):
        if file.suffix == ".parquet":
            yield from _read_parquet(file, columns)
        elif file.suffix == ".jsonl":
            yield from _read_json_lines(file)
        else:
            yield from _read_json_list(file)


def _find_files(path: str, split: str) -> list[Path]:
    place = Path(path).expanduser()
    if place.is_file():
        if place.suffix not in SUFFIXES:
            raise DataError(f"{path!r} is no {', '.join(SUFFIXES)} file")
        return [place]
    if not place.is_dir():
        place = _download(path)
    found = sorted(file for file in place.rglob("*") if file.suffix in SUFFIXES)
    if not found:
        raise DataError(f"the folder {path!r} holds no {', '.join(SUFFIXES)} file")
    return [file for file in found if file.name.startswith(split)] or found


def _download(hub_id: str) -> Path:
    """The data files of a hub repository; from the local cache when there is no network."""
    advice = f"no file or folder {hub_id!r}"
    if hub_id.count("/") != 1 or hub_id.startswith((".", "/", "~")):
        raise DataError(f"{advice}; give a data file, a folder of them, or a hub id such as owner/name")
    try:
        patterns = [f"*{suffix}" for suffix in SUFFIXES]
        return Path(snapshot_download(hub_id, repo_type="dataset", allow_patterns=patterns))
    except (OSError, HFValidationError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise DataError(f"{advice}, and the hub gave none of that name ({reason}); give a local path") from error


def _read_parquet(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    # Here and not above: it takes half a second and starts threads, which no other format needs.
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            known = [column for column in columns if column in parquet.schema_arrow.names]
            number = 0
            for batch in parquet.iter_batches(PARQUET_ROWS_AT_ONCE, columns=known):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{file} row {number}", values)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"cannot read {file} as Parquet: {error}") from error


def _read_json_lines(file: Path) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    where = f"{file} row {number}"
                    yield Row(where, _as_object(_parse_json(line, where), where))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}") from error


def _read_json_list(file: Path) -> Iterator[Row]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
    items = _parse_json(text, str(file))
    if not isinstance(items, list):
        raise DataError(f"{file} holds a JSON {type(items).__name__}, expected a list of rows (or use .jsonl)")
    for number, item in enumerate(items, start=1):
        where = f"{file} row {number}"
        yield Row(where, _as_object(item, where))


def _parse_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}") from error


def _as_object(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise DataError(f"{where} holds a JSON {type(item).__name__}, expected an object with named fields")
    return item
