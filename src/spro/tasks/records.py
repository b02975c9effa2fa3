"""Rows out of files: Parquet, JSON Lines, or JSON, a list or columns; one file, a folder, or a hub repository."""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, TextIO

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from spro.errors import DataError

SUFFIXES = (".parquet", ".jsonl", ".json", ".jsonl.gz", ".json.gz")
PARQUET_ROWS_AT_ONCE = 1024
_UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error)


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        file: in which it stands.
        number: of the row there, from 1.
        values: by the names of the fields.
    """

    file: Path
    number: int
    values: dict[str, Any]

    @property
    def where(self) -> str:
        """For messages: ``data/train.jsonl row 17``."""
        return f"{self.file} row {self.number}"

    @property
    def name(self) -> str:
        """The same wherever the folder lies: ``train.jsonl row 17``."""
        return f"{self.file.name} row {self.number}"


def read_rows(path: str, split: str, columns: Sequence[str], config: str = "") -> Iterator[Row]:
    """The rows of a file, a folder or a hub repository, in order of file name and row.

    Args:
        path: a file with one of ``SUFFIXES``, a folder of them, or a hub id such as ``PRIME-RL/Eurus-2-RL-Data``.
        split: of a folder's files, see ``select_files``.
        columns: the only columns that are read where the format allows it (Parquet).
        config: of a folder's files, see ``select_files``.

    Raises:
        DataError: nothing is there, or a file or row cannot be read; names file and row.
    """
    for file in _find_files(path, split, config):
        if file.suffix == ".parquet":
            yield from _read_parquet(file, columns)
        elif ".jsonl" in file.suffixes[-2:]:
            yield from _read_json_lines(file)
        else:
            yield from _read_json(file)


def select_files(files: Sequence[str], split: str, config: str) -> list[str]:
    """Which files of a folder or repository hold the rows that are asked for.

    Those in a folder named ``config``, if there are any, and of these those whose name begins with ``split``; or else
    those in a folder of this name or one that ends in it (the hub's conversion writes ``partial-test``); or else all.
    A training split is never taken for another.

    Args:
        files: their paths in the folder, with ``/`` between the parts.
        split: name of it.
        config: name of it; empty where there is one only.
    """
    files = [file for file in files if config in file.split("/")[:-1]] or list(files)
    if named := [file for file in files if file.rpartition("/")[2].startswith(split)]:
        return named
    if inside := [file for file in files if _is_inside(file, split)]:
        return inside
    is_train = [file.rpartition("/")[2].startswith("train") or _is_inside(file, "train") for file in files]
    return [file for file, is_other in zip(files, is_train, strict=True) if not is_other or split == "train"]


def _is_inside(file: str, split: str) -> bool:
    return any(folder == split or folder.endswith(f"-{split}") for folder in file.split("/")[:-1])


def download_patterns(split: str, config: str) -> list[list[str]]:
    """What to ask of a hub repository, one after the other until there are such files: all data can weigh gigabytes.

    Returns:
        lists of patterns, in which ``*`` stands for any text, slashes included; the last is all data.
    """
    starts = [f"{config}/", f"*/{config}/"] if config else [""]
    names = [f"{split}*", f"*/{split}*", f"*-{split}/*"]
    narrow = [f"{start}{name}{suffix}" for start in starts for name in names for suffix in SUFFIXES]
    of_config = [f"{start}*{suffix}" for start in starts for suffix in SUFFIXES]
    return [narrow, of_config, [f"*{suffix}" for suffix in SUFFIXES]]


def _find_files(path: str, split: str, config: str) -> list[Path]:
    place = Path(path).expanduser()
    if place.is_file():
        if not place.name.endswith(SUFFIXES):
            raise DataError(f"{path!r} is no {', '.join(SUFFIXES)} file")
        return [place]
    if not place.is_dir():
        place = _download(path, split, config)
    found = _data_files(place)
    if not found:
        raise DataError(f"the folder {path!r} holds no {', '.join(SUFFIXES)} file")
    selected = select_files(found, split, config)
    if not selected:
        raise DataError(f"{path!r} holds no files of the split {split!r}, only {found[0]}; give the path of a file")
    return [place / file for file in selected]


def _data_files(place: Path) -> list[str]:
    found = sorted(file for file in place.rglob("*") if file.name.endswith(SUFFIXES))
    return [file.relative_to(place).as_posix() for file in found]


def _download(hub_id: str, split: str, config: str) -> Path:
    """The data files of a hub repository; from the local cache when there is no network."""
    advice = f"no file or folder {hub_id!r}"
    if hub_id.count("/") != 1 or hub_id.startswith((".", "/", "~")):
        raise DataError(f"{advice}; give a data file, a folder of them, or a hub id such as owner/name")
    try:
        for patterns in download_patterns(split, config):
            place = Path(snapshot_download(hub_id, repo_type="dataset", allow_patterns=patterns))
            if any(fnmatchcase(file, pattern) for file, pattern in product(_data_files(place), patterns)):
                break
    except (OSError, HFValidationError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        wanted = f"the split {split!r}" + (f" of {config!r}" if config else "")
        raise DataError(
            f"{advice}, and the hub gave none of that name ({reason}); give the local path of a file or folder that "
            f"holds {wanted}"
        ) from error
    return place


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
                    yield Row(file, number, values)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"cannot read {file} as Parquet: {error}") from error


def _read_json_lines(file: Path) -> Iterator[Row]:
    try:
        with _open_text(file) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(file, number, _parse_json(line, f"{file} row {number}"))
    except _UNREADABLE as error:
        raise DataError(f"cannot read {file}: {error}") from error


def _read_json(file: Path) -> Iterator[Row]:
    try:
        with _open_text(file) as lines:
            text = lines.read()
    except _UNREADABLE as error:
        raise DataError(f"cannot read {file}: {error}") from error
    data = _parse_json(text, str(file))
    items = _rows_of_columns(data, file) if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise DataError(f"{file} holds a JSON {type(items).__name__}, expected a list of rows (or use .jsonl)")
    for number, item in enumerate(items, start=1):
        yield _row(file, number, item)


def _open_text(file: Path) -> TextIO:
    return gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")


def _rows_of_columns(data: dict[str, Any], file: Path) -> list[dict[str, Any]]:
    """Rows of ``{"problem": {"0": ...}, ...}``, as pandas writes a table, or of ``{"problem": [...], ...}``."""
    columns = {name: dict(enumerate(column)) if isinstance(column, list) else column for name, column in data.items()}
    if not columns or not all(isinstance(column, dict) for column in columns.values()):
        raise DataError(f"{file} holds a JSON object, expected a list of rows or an object of columns (or use .jsonl)")
    first, *others = columns
    for name in others:
        if columns[name].keys() != columns[first].keys():
            raise DataError(f"{file}: the columns {first!r} and {name!r} do not have the same rows")
    return [{name: column[key] for name, column in columns.items()} for key in columns[first]]


def _row(file: Path, number: int, item: Any) -> Row:
    if not isinstance(item, dict):
        found = type(item).__name__
        raise DataError(f"{file} row {number} holds a JSON {found}, expected an object with named fields")
    return Row(file, number, item)


def _parse_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}") from error
