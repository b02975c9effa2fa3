"""The microscope's page from files made by hand."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from spro.errors import RunFolderError
from spro.report import write_microscope, write_microscope_figures
from spro.report.microscope_folder import read_microscope
from spro.report.microscope_measures import ENOUGH_GROUPS
from spro.report.microscope_strips import AROUND, HEAD, TAIL, WHOLE, pick_samples

METHODS = ("spro", "grpo")
MEANINGS = {
    name: f"what {name} says"
    for name in ("pearson", "spearman", "pearson_inside", "spearman_inside", "sign", "sign_inside", "silent")
}


def line(tokens: list[str], score: float, token: int | None = 0, status: str = "correct") -> dict[str, Any]:
    rng = random.Random(len(tokens))
    size = len(tokens)
    numbers = [rng.gauss(0, 1) for _ in tokens]
    said = {"advantages": numbers, "terms": {"outcome": [0.5] * size, "msa": numbers}}
    return {
        "group": 0,
        "problem_id": "p",
        "prompt": "3+5*2?",
        "ground_truth": "6",
        "verdict": {"score": 1.0, "status": status, "extracted": "6", "detail": ""},
        "finish_reason": "stop",
        "tokens": tokens,
        "response_mask": [True] * size,
        "old_log_probs": numbers,
        "ref_log_probs": numbers,
        "methods": {"spro": said, "grpo": {"advantages": [0.5] * size, "terms": {"outcome": [0.5] * size}}},
        "truths": {
            "exact": {"values": [-1.0] + [0.0] * (size - 1), "errors": None, "speaks": []},
            "monte_carlo": {"values": numbers, "errors": [0.1] * size, "speaks": []},
        },
        "disagreement": {"score": score, "token": token, "sentence": f"At token {token}, look." if token else ""},
    }


def measure(method: str, truth: str, name: str, value: float | None, groups: int) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    return {
        "method": method, "truth": truth, "measure": name, "value": value, "low": low, "high": high, "tokens": 40,
        "groups": groups,
    }  # fmt: skip


def write_folder(path: Path, lines: list[dict[str, Any]], groups: int = 16, **changes: Any) -> Path:
    measures = [
        measure(method, truth, name, None if method == "grpo" and "inside" in name else 0.3, groups)
        for truth in ("exact", "monte_carlo")
        for method in METHODS
        for name in MEANINGS
    ]
    summary = {
        "name": "demo", "policy": "step 3 of demo", "reference": "frozen", "task": "chain", "split": "held_out",
        "groups": groups, "responses": len(lines), "tokens": 40, "accuracy": 0.5, "mean_log_ratio": 0.01, "shown": 24,
        "methods": [
            {"name": "spro", "given": "", "terms": ["outcome", "msa"]},
            {"name": "grpo", "given": "nothing", "terms": ["outcome"]},
        ],
        "left_out": [{"name": "ppo", "why": "needs values"}],
        "notes": ["a note"],
        "truths": [{"name": "exact", "title": "truth, exact"}, {"name": "monte_carlo", "title": "truth, continued"}],
        "meanings": MEANINGS,
        "measures": measures,
        "opposite": [[0.0, 0.25], [0.25, 0.0]],
    }  # fmt: skip
    path.mkdir(exist_ok=True)
    (path / "measures.json").write_text(json.dumps(summary | changes))
    (path / "rollouts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (path / "config.yaml").write_text("target: demo\n")
    return path


def test_the_page_holds_everything_and_is_whole(tmp_path: Path, parse: Any) -> None:
    folder = write_folder(tmp_path / "m", [line(list("8*2;6"), 1.0), line(list("9*2;8"), 7.0, token=2, status="wrong")])
    page = write_microscope(folder).read_text()
    tree = parse(page)
    assert [one["id"] for one in tree.named("article")] == ["r1", "r2"]
    shown = tree.shown
    for text in ("step 3 of demo", "a note", "ppo", "needs values", "At token 2, look.", "25.0\u00a0%", "target: demo"):
        assert text in shown
    # The one on which they are farthest apart comes first; a right one that was wrong in between is told.
    assert shown.index("\u2717 wrong") < shown.index("\u2713 correct") < shown.index("right by luck")
    assert "Inside responses: spro goes with this truth beyond chance; grpo says the same of every token." in shown
    assert len(tree.classes("strip")) == 2 * 4
    # Strips hold the same tokens, and their numbers one for each.
    for strip in tree.classes("strip"):
        assert len((strip["data-q0"] or "").split()) == 5
    assert "data-q2" in tree.classes("m0")[0]
    assert "data-q2" not in tree.classes("m1")[0]
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml", "measures.json", "microscope.html", "rollouts.jsonl",
    ]  # fmt: skip


def test_few_problems_are_no_ground_for_a_sentence(tmp_path: Path, parse: Any) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0)], groups=ENOUGH_GROUPS - 1)
    assert "7 problems are too few to tell" in parse(write_microscope(folder).read_text()).shown


def test_no_truth_no_measures(tmp_path: Path, parse: Any) -> None:
    bare = line(list("8*2;6"), 1.0) | {"truths": {}}
    folder = write_folder(tmp_path, [bare], truths=[], measures=[])
    tree = parse(write_microscope(folder).read_text())
    assert "Who sees what is so?" not in tree.shown
    assert len(tree.classes("strip")) == 2


def test_long_responses_are_cut_about_the_place_to_see_and_the_page_stays_small(tmp_path: Path) -> None:
    at = 2500
    lines = [line([f" w{index}" for index in range(4000)], 100.0 - n, token=at) for n in range(200)]
    folder = write_folder(tmp_path, lines, shown=200)
    page = write_microscope(folder)
    assert page.stat().st_size < 5_000_000
    text = page.read_text()
    shown = HEAD + TAIL + 2 * AROUND + 1
    assert f"{4000 - shown:,} tokens in between are left out." in text
    assert text.count("<article") == len(pick_samples(read_microscope(folder))) > 10
    assert f"{200 - text.count('<article'):,} further responses" in text
    assert f'data-n="{at - AROUND + 1} ' in text
    whole = write_folder(tmp_path / "whole", [line(["a"] * WHOLE, 1.0)])
    assert "in between are left out" not in write_microscope(whole).read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": "many"},
        {"groups": -1},
        {"groups": 1e400},
        {"accuracy": None},
        {"accuracy": float("nan")},
        {"mean_log_ratio": 10**400},
        {"policy": ["a\nb"]},
        {"shown": None},
        {"opposite": [[0.0, 0.25]]},
        {"opposite": [0.0, 0.25]},
        {"meanings": []},
        {"methods": [{"name": "spro", "given": ""}]},
        {"methods": [{"name": "spro", "given": "", "terms": "outcome"}]},
        {"truths": ["exact"]},
        {"notes": 3},
    ],
    ids=str,
)
def test_a_damaged_value_is_one_line(change: dict[str, Any], tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0)], **change)
    with pytest.raises(RunFolderError, match="is damaged") as caught:
        write_microscope(folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "microscope.html").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": []},
        {"tokens": "8*2;6"},
        {"response_mask": [True]},
        {"old_log_probs": None},
        {"truths": {"exact": {"values": "none", "errors": None}}},
        {"disagreement": {"score": 1.0, "token": 99, "sentence": ""}},
        {"disagreement": {"score": 10**400, "token": 0, "sentence": ""}},
    ],
    ids=str,
)
def test_a_damaged_response_is_one_line(change: dict[str, Any], tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0) | change])
    with pytest.raises(RunFolderError, match="is damaged") as caught:
        write_microscope(folder)
    assert "\n" not in str(caught.value)


def test_what_is_nested_beyond_measure_is_one_line(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0)])
    (folder / "measures.json").write_text("[" * 100_000)
    with pytest.raises(RunFolderError, match="is damaged"):
        write_microscope(folder)


@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_responses_that_are_cut_off_are_one_line(kept: float, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0), line(list("8*2;6"), 1.0)])
    page = write_microscope(folder).read_bytes()
    whole = (folder / "rollouts.jsonl").read_text()
    (folder / "rollouts.jsonl").write_text(whole[: int(kept * len(whole))])
    with pytest.raises(RunFolderError, match=r"is damaged .*rollouts.jsonl has [01] of the 2 responses"):
        write_microscope(folder)
    assert (folder / "microscope.html").read_bytes() == page


def test_the_measures_are_pictures_and_tables_too(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0)])
    written = write_microscope_figures(folder)
    assert [path.name for path in written] == [
        f"measures-{truth}.{suffix}" for truth in ("exact", "monte_carlo") for suffix in ("png", "csv")
    ]
    measures = json.loads((folder / "measures.json").read_text())["measures"]
    for truth in ("exact", "monte_carlo"):
        rows = list(csv.DictReader((folder / "figures" / f"measures-{truth}.csv").read_text().splitlines()))
        assert {row["method"] for row in rows} == set(METHODS)
        for measure in (one for one in measures if one["truth"] == truth):
            row = next(row for row in rows if row["method"] == measure["method"])
            for key, end in (("value", ""), ("low", " low"), ("high", " high")):
                told = row[measure["measure"] + end]
                assert (float(told) if told else None) == measure[key]
    before = [path.read_bytes() for path in written]
    assert before[0].startswith(b"\x89PNG")
    assert [path.read_bytes() for path in write_microscope_figures(folder)] == before
    changed = write_folder(tmp_path / "other", [line(list("8*2;6"), 1.0)], measures=[dict(measures[0], value=0.5)])
    assert write_microscope_figures(changed)[0].read_bytes() != before[0]


def test_numbers_that_are_none_are_a_dash(tmp_path: Path, parse: Any) -> None:
    odd = line(list("8*2;6"), 1.0)
    odd["methods"]["spro"]["advantages"] = [1.0, None]
    odd["response_mask"] = [True, False, True, True, True]
    folder = write_folder(tmp_path, [odd])
    strip = parse(write_microscope(folder).read_text()).classes("m0")[0]
    assert strip["data-q0"] == "1 - - - -"


@pytest.mark.parametrize("name", ["measures.json", "rollouts.jsonl", "config.yaml"])
def test_a_missing_or_damaged_file_is_one_line(name: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [line(list("8*2;6"), 1.0), line(list("8*2;6"), 1.0)])
    page = write_microscope(folder).read_bytes()
    whole = (folder / name).read_text()
    if name != "config.yaml":
        (folder / name).write_text("{}\n" + whole.replace("problem_id", "id", 1) if "rollouts" in name else "[]")
        with pytest.raises(RunFolderError, match="damaged") as caught:
            write_microscope(folder)
        assert "\n" not in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=name) as caught:
        write_microscope(folder)
    assert "\n" not in str(caught.value)
    assert (folder / "microscope.html").read_bytes() == page
