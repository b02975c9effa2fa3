"""What a sink holds of a run, read back by its own means: name and step to number."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Shown = dict[tuple[str, int], float]
BLOCK = 2**15
HEADER = 7


def in_tensorboard(run: Path) -> Shown:
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={SCALARS: 0})
    events.Reload()
    found = [((tag, event.step), event.value) for tag in events.Tags()[SCALARS] for event in events.Scalars(tag)]
    return once(found)


def in_trackio(run: Path, project: str = "spro") -> Shown:
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs(project, (run / "trackio-name.txt").read_text())
    own = {"step", "timestamp"}
    return once(((key, row["step"]), value) for row in rows for key, value in row.items() if key not in own)


def in_wandb(run: Path) -> Shown:
    """Of the newest offline folder."""
    found = []
    for record in records(offline(run)[-1]):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
            found += [((name, items["_step"]), value) for name, value in items.items() if not name.startswith("_")]
    return once(found)


def wandb_run(file: Path) -> Any:
    """Id, names and settings, as they would be sent."""
    (found,) = (record.run for record in records(file) if record.WhichOneof("record_type") == "run")
    return found


def wandb_kinds(file: Path) -> set[str]:
    return {record.WhichOneof("record_type") for record in records(file)}


def offline(run: Path) -> list[Path]:
    """The files of all processes, oldest first."""
    return sorted((run / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)


def records(file: Path) -> Iterator[Any]:
    """Of wandb's file: a header of seven bytes, then the log format of LevelDB with a message a record."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = file.read_bytes(), HEADER, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        whole += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in {1, 4}:
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def once(found: Any) -> Shown:
    pairs = list(found)
    shown = dict(pairs)
    assert len(shown) == len(pairs), "a step stands twice"
    return shown
