import shutil
from pathlib import Path

import numpy as np
import pytest

from spro.cli import main
from spro.lab.compare.figures import FIGURES, common_grid, make_charts, on_common_places
from spro.lab.compare.forest import NAME
from spro.lab.compare.rebuild import rebuild_comparison
from spro.lab.compare.records import State, read_comparison
from spro.lab.compare.results import TABLES
from spro.lab.compare.table import Column, Number, Table, csv_of, markdown_of, written
from spro.statistics import seed_band
from tests.unit.lab.compare.examples import summary, usual, write_comparison


def test_curves_at_steps_keep_the_steps_that_all_have() -> None:
    curves = [((0.0, 10.0, 20.0), (0.1, 0.2, 0.3)), ((0.0, 20.0), (0.5, 0.7))]
    places, table = on_common_places(curves, grid=None)
    assert places == [0.0, 20.0]
    assert table.tolist() == [[0.1, 0.3], [0.5, 0.7]]


def test_other_curves_are_lines_over_the_range_that_all_reach() -> None:
    curves = [((0.0, 10.0, 20.0), (0.0, 1.0, 0.0)), ((0.0, 4.0, 16.0), (0.0, 0.4, 1.0))]
    longer = [((0.0, 10.0, 24.0), (0.0, 1.0, 0.0))]
    grid = common_grid([curves, longer])
    assert grid == [0.0, 12.0, 24.0]
    places, table = on_common_places(curves, grid)
    # Where the first of the seeds ends, so does their mean.
    assert places == [0.0, 12.0, 16.0]
    assert table == pytest.approx(np.array([[0.0, 0.8, 0.4], [0.0, 0.8, 1.0]]))
    assert on_common_places(longer, grid)[0] == [0.0, 12.0, 24.0]


def test_bands_are_of_the_seeds_and_stay_where_values_can_be(tmp_path: Path) -> None:
    runs = {"spro": {seed: summary({0: start, 10: 0.98 + 0.01 * seed}) for seed, start in enumerate((0.0, 0.01, 0.4))}}
    chart = next(
        one for one in make_charts(read_comparison(write_comparison(tmp_path / "c", runs))) if one.name == "figure1"
    )
    (line,) = chart.lines
    band = seed_band(np.array([[0.0, 0.98], [0.01, 0.99], [0.4, 1.0]]))
    assert band.low[0] < 0
    assert line.series.values == band.mean
    assert line.spans == {0.0: (0.0, band.high[0]), 10.0: (band.low[1], min(1.0, band.high[1]))}


def test_one_seed_has_no_band_and_what_was_not_measured_no_figure(tmp_path: Path) -> None:
    charts = {
        one.name: one
        for one in make_charts(
            read_comparison(write_comparison(tmp_path / "c", {"spro": {0: summary({0: 0.1, 10: 0.5})}}))
        )
    }
    assert charts["figure1"].lines[0].spans == {}
    assert "gradient" not in charts


def test_rebuilt_it_is_the_same_to_the_byte_and_only_files_of_its_own_go(tmp_path: Path) -> None:
    folder = usual(tmp_path / "c")
    for name in ("figures/mine.png", "figures/mine.csv", "tables/notes.md", "tables/notes.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("of the user")
    rebuild_comparison(folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # The runs have no gradient norm, so this is what an earlier time has left.
    (folder / "figures/gradient.csv").write_text("")
    (folder / "figures/gradient.png").write_text("")
    rebuild_comparison(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    (folder / "compare.yaml").write_text((folder / "compare.yaml").read_text() + "evaluate: {greedy: false}\n")
    rebuild_comparison(folder)
    gone = set(first) - {path for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in gone} == {"table1.csv", "table1.md"}


def test_all_that_is_written_has_a_name_that_is_known(tmp_path: Path) -> None:
    folder = usual(tmp_path / "c")
    rebuild_comparison(folder)
    assert {path.stem for path in folder.glob("tables/*")} == set(TABLES)
    assert {path.stem for path in folder.glob("figures/*")} == {NAME, *(one.name for one in FIGURES)} - {"gradient"}


def test_a_table_for_a_program_and_for_a_reader() -> None:
    columns = (Column("method"), Column("points", "+.1f", True), Column("n", ",.0f"))
    rows = (
        ("a|b", Number(-1.25, -2.0, None), Number(1234.0)),
        ("c", None, None),
        ("d", Number(-0.01, -0.04, 0.0), "x"),
        ("e", State.NOT_RUN, State.FAILED),
    )
    table = Table("t", "Title", columns, rows, "A note.")
    assert csv_of(table).splitlines() == [
        "method,points,points low,points high,n",
        "a|b,-1.25,-2,,1234",
        "c,,,,",
        "d,-0.01,-0.04,0,x",
        "e,,,,",
    ]
    text = markdown_of(table)
    assert "| a\\|b | \u22121.2 (\u22122.0 to never) | 1,234 |" in text
    assert "| d | 0.0 (0.0 to 0.0) | x |" in text
    assert "| e | not run yet | failed |" in text
    assert text.endswith("\n\nA note.\n")


@pytest.mark.parametrize(("value", "text"), [(0.0004, "< 0.001"), (0.0123, "0.012"), (0.123, "0.12"), (1.0, "1.00")])
def test_p_values(value: float, text: str) -> None:
    assert written(value, "p") == text


def test_a_comparison_without_a_single_summary_is_still_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_comparison(tmp_path / "c", {"spro": {0: summary({0: 0.1, 10: 0.5}, [])}})
    shutil.rmtree(folder / "summaries")
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'comparison.html'}\n"
    assert "No run came to its end" in (folder / "comparison.html").read_text()
