"""What stands in ``docs/results`` is what the summaries beside it say, and one command makes it."""

import csv
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.command import spro

RESULTS = Path(__file__).parents[2] / "docs" / "results"
TILE = 16
"""Pixels."""
STUDIES = sorted(path.parent for path in RESULTS.glob("*/compare.yaml"))


def test_there_is_a_study() -> None:
    assert STUDIES


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_every_table_and_figure_comes_from_the_committed_summaries(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / study.name
    folder.mkdir()
    shutil.copy(study / "compare.yaml", folder)
    shutil.copytree(study / "summaries", folder / "summaries")
    made = spro("report", folder, cwd=tmp_path)
    assert made.returncode == 0, made.stderr

    for kind in ("tables", "figures"):
        assert names(folder / kind) == names(study / kind)
        for name in names(study / kind):
            assert same(folder / kind / name, study / kind / name), f"{kind}/{name}: run make results"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(one: Path, other: Path) -> bool:
    """To the byte, but for what depends on the machine: the last digits of numbers, the edges of letters."""
    if one.suffix == ".png":
        pictures = [np.asarray(Image.open(path).convert("L"), dtype=float) for path in (one, other)]
        return pictures[0].shape == pictures[1].shape and largest_change(*pictures) < 50
    if one.suffix == ".csv":
        found, expected = cells(one), cells(other)
        return len(found) == len(expected) and all(map(alike, found, expected))
    return one.read_bytes() == other.read_bytes()


def largest_change(one: np.ndarray, other: np.ndarray) -> float:
    """Of the gray of a tile: a mark that moved changes one or two of them entirely, another font all a little."""
    rows, columns = (size // TILE * TILE for size in one.shape)
    change = np.abs(one - other)[:rows, :columns].reshape(rows // TILE, TILE, columns // TILE, TILE)
    return float(change.mean(axis=(1, 3)).max())


def cells(table: Path) -> list[str]:
    """Row for row; a mark ends each."""
    with table.open(newline="") as file:
        return [cell for row in csv.reader(file) for cell in (*row, "end")]


def alike(one: str, other: str) -> bool:
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9)
    except ValueError:
        return one == other
