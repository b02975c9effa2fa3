"""Rows out of files: columns, compressed files, and which files of a folder or repository are read."""

import gzip
import json
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download
from huggingface_hub.utils import filter_repo_objects

from spro.errors import DataError
from spro.tasks.records import download_patterns, read_rows, select_files
from tests import eurus

ITEMS = [{"problem": "1+1?", "answer": 2}, {"problem": "2+2?", "answer": None}, {"problem": "café?", "answer": "x"}]


def values(path: Path, split: str = "train", config: str = "") -> list[object]:
    return [row.values for row in read_rows(str(path), split, ["problem", "answer"], config)]


def as_columns(items: list[dict[str, object]]) -> dict[str, list[object]]:
    return {name: [item[name] for item in items] for name in items[0]}


@pytest.mark.parametrize(
    "table",
    [
        ITEMS,
        as_columns(ITEMS),
        {name: {str(i): value for i, value in enumerate(column)} for name, column in as_columns(ITEMS).items()},
        {name: {f"k{9 - i}": value for i, value in enumerate(column)} for name, column in as_columns(ITEMS).items()},
    ],
    ids=["rows", "lists", "objects", "labels"],
)
def test_rows_and_columns_say_the_same(tmp_path: Path, table: object) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(table))
    assert values(path) == ITEMS
    assert [(row.name, row.where) for row in read_rows(str(path), "train", [])][1] == ("t.json row 2", f"{path} row 2")


def test_columns_are_put_together_by_the_labels_of_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"problem": {"a": "1+1?", "b": "2+2?"}, "answer": {"b": 4, "a": 2}}))
    assert values(path) == [{"problem": "1+1?", "answer": 2}, {"problem": "2+2?", "answer": 4}]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "expected a list of rows or an object of columns"),
        ({"problem": "1+1?"}, "expected a list of rows or an object of columns"),
        ({"problem": ["a", "b"], "answer": ["c"]}, "the columns 'problem' and 'answer' do not have the same rows"),
        ({"problem": {"0": "a"}, "answer": {"1": "b"}}, "the columns 'problem' and 'answer' do not have the same rows"),
        ("text", "holds a JSON str, expected a list of rows"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, table: object, message: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(table))
    with pytest.raises(DataError, match=message):
        values(path)


def test_compressed_files(tmp_path: Path) -> None:
    for name, text in (("t.jsonl.gz", "\n".join(map(json.dumps, ITEMS))), ("t.json.gz", json.dumps(ITEMS))):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
        assert values(tmp_path / name) == ITEMS


@pytest.mark.parametrize("name", ["t.jsonl.gz", "t.json.gz"])
@pytest.mark.parametrize(
    "content",
    [b"plain text", gzip.compress(b"{}" * 5000)[:-9], gzip.compress(b"\xff\xfe")],
    # Their bytes hold the time, and two processes must call a test the same.
    ids=["plain", "cut off", "not UTF-8"],
)
def test_broken_compressed_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot read") as caught:
        values(tmp_path / name)
    assert "\n" not in str(caught.value)


# How the repositories on the hub lay out their files, and the hub's own conversions of them.
CODE_CONTESTS = [
    *("data/test-00000-of-00001-9c49eeff30aacaa8.parquet", "data/valid-00000-of-00001-5e672c5751f060d3.parquet"),
    *(f"data/train-{i:05}-of-00039-e991a271dbfa9925.parquet" for i in range(39)),
    *("README.md", "dataset_infos.json", ".gitattributes"),
]
OLYMPIAD = [f"OlympiadBench/{c}/{c}.parquet" for c in ("OE_MM_maths_en_COMP", "OE_TO_maths_en_COMP", "TP_TO_maths_en")]
CONVERTED = [f"{c}/train/0000.parquet" for c in ("OE_MM_maths_en_COMP", "OE_TO_maths_en_COMP")]
GSM8K = [f"{c}/{s}-00000-of-00001.parquet" for c in ("main", "socratic") for s in ("test", "train")]


@pytest.mark.parametrize(
    ("repository", "split", "config", "expected"),
    [
        (CODE_CONTESTS, "test", "", CODE_CONTESTS[:1]),
        (CODE_CONTESTS, "train", "", CODE_CONTESTS[2:41]),
        (["README.md", "test.jsonl", "eval.yaml"], "test", "", ["test.jsonl"]),
        (["train.parquet", "validation.parquet"], "validation", "", ["validation.parquet"]),
        (["default/partial-train/0000.parquet", "default/partial-test/0000.parquet"], "test", "", None),
        (OLYMPIAD, "train", "OE_TO_maths_en_COMP", OLYMPIAD[1:2]),
        (CONVERTED, "train", "OE_TO_maths_en_COMP", CONVERTED[1:]),
        (GSM8K, "test", "main", GSM8K[:1]),
        (["anything.jsonl", "README.md"], "train", "", ["anything.jsonl"]),
        (["only.jsonl"], "train", "main", ["only.jsonl"]),
    ],
)
def test_of_a_repository_only_what_is_read_is_fetched(repository, split, config, expected) -> None:
    expected = expected or repository[1:2]
    found = (list(filter_repo_objects(repository, allow_patterns=p)) for p in download_patterns(split, config))
    fetched = next(filter(None, found))
    assert fetched == expected
    assert select_files(fetched, split, config) == expected


def test_of_a_folder_with_all_the_same_files_are_read() -> None:
    assert select_files(CODE_CONTESTS[:-3], "test", "") == CODE_CONTESTS[:1]
    assert select_files(GSM8K, "train", "socratic") == GSM8K[3:]
    assert select_files(CONVERTED, "train", "") == CONVERTED
    assert select_files(["a.jsonl", "b.jsonl"], "test", "main") == ["a.jsonl", "b.jsonl"]


def test_a_training_split_is_never_taken_for_another(tmp_path: Path) -> None:
    eurus.write(tmp_path / "train-00000.jsonl", ITEMS)
    (tmp_path / "train").mkdir()
    eurus.write(tmp_path / "train" / "0000.jsonl", ITEMS)
    with pytest.raises(DataError, match=r"holds no files of the split 'test', only train/0000\.jsonl; give the path"):
        values(tmp_path, "test")
    eurus.write(tmp_path / "more.jsonl", ITEMS[:1])
    assert values(tmp_path, "test") == ITEMS[:1]


def test_a_repository_in_the_cache_is_read_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef" * 2 + "01234567"
    snapshot = tmp_path / "datasets--owner--name" / "snapshots" / commit / "data"
    snapshot.mkdir(parents=True)
    (tmp_path / "datasets--owner--name" / "refs").mkdir()
    (tmp_path / "datasets--owner--name" / "refs" / "main").write_text(commit)
    eurus.write(snapshot / "train-00000-of-00001.parquet", ITEMS[:1])
    assert Path(snapshot_download("owner/name", repo_type="dataset")) == snapshot.parent
    assert [row.values for row in read_rows("owner/name", "train", ["answer"])] == [{"answer": 2}]
    with pytest.raises(DataError, match="'owner/name' holds no files of the split 'test'"):
        list(read_rows("owner/name", "test", []))


def test_a_repository_out_of_reach_says_what_to_give_instead() -> None:
    with pytest.raises(DataError, match=r"no file or folder 'a/b', and .*; give the local path of a file .*") as caught:
        list(read_rows("a/b", "test", [], "main"))
    assert str(caught.value).endswith("that holds the split 'test' of 'main'")
    assert "\n" not in str(caught.value)
