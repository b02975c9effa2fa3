import csv
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from spro.errors import RunFolderError
from spro.report import write_run_figures
from spro.report.chart import Chart, Frame, Line, Series
from spro.report.figures import render_csv, render_png, write_figures
from spro.report.looks import LOOKS
from spro.report.text import shortest

PLOT_HEIGHT = 197
"""Pixels of the page."""


def chart_of(name: str = "accuracy", **changes: Any) -> Chart:
    places = (0.0, 0.5, 1.25, 2.0)
    bands = {place: (0.1 * index, 0.3 + 0.1 * index) for index, place in enumerate(places)}
    lines = (
        Line("spro", "a", Series(places, (0.1, 0.2, None, 0.4)), 0, spans=bands),
        Line("_grpo $x$ \u4e2d\n\u202e", "b", Series(places[1:], (0.15, 0.2, 1 / 3)), 1, marked=True),
    )
    return Chart(name, "Accuracy", "share", lines, Frame((0.0, 2.0), 0, "hours"), share=True, **changes)


def test_the_csv_has_every_number_exactly() -> None:
    rows = list(csv.reader(io.StringIO(render_csv(chart_of()))))
    assert rows == [
        ["hours", "spro", "spro low", "spro high", "_grpo $x$ \u4e2d\n\u202e"],
        ["0", "0.1", "0", "0.3", ""],
        ["0.5", "0.2", "0.1", "0.4", "0.15"],
        ["1.25", "", "0.2", "0.5", "0.2"],
        ["2", "0.4", repr(0.1 * 3), repr(0.3 + 0.1 * 3), repr(1 / 3)],
    ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_what_the_csv_says_reads_back_the_same(values: list[float]) -> None:
    series = Series(tuple(float(place) for place in range(len(values))), tuple(values))
    chart = Chart("c", "c", "", (Line("a", "a", series, 0),), Frame((0, len(values)), 0))
    rows = list(csv.DictReader(io.StringIO(render_csv(chart))))
    assert [float(row["a"]) for row in rows] == values
    assert [int(row["step"]) for row in rows] == list(range(len(values)))


def chunks(png: bytes) -> list[bytes]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    kinds, at = [], 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(png[at + 4 : at + 8 + size])
        kinds.append(kind)
        at += 12 + size
    return kinds


def test_the_image_is_the_same_each_time_and_names_no_date_and_no_maker() -> None:
    png = render_png(chart_of())
    assert render_png(chart_of()) == png
    assert not {b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf"} & set(chunks(png))


def test_the_image_has_the_colors_of_the_page_and_twice_its_resolution() -> None:
    image = Image.open(io.BytesIO(render_png(chart_of()))).convert("RGB")
    assert image.width == 1440
    pixels = np.asarray(image).reshape(-1, 3)
    for look in LOOKS[:2]:
        color = [int(look.light[at : at + 2], 16) for at in (1, 3, 5)]
        assert (pixels == color).all(axis=1).sum() > 300, look


def test_settings_of_the_reader_do_not_change_the_image_nor_the_image_them() -> None:
    import matplotlib

    png = render_png(chart_of())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        assert render_png(chart_of()) == png
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("across", ["step", "FLOPs"])
def test_one_point_alone_and_a_smoothed_line_are_drawn(across: str) -> None:
    lone = Line("a", "a", Series((3,), (0.5,)), 2, spans={3: (0.25, 0.75)})
    wave = Line("b", "b", Series(tuple(range(60)), tuple(math.sin(x) for x in range(60))), 7)
    for line, extent in ((lone, (3, 3)), (wave, (0, 59))):
        pixels = np.asarray(Image.open(io.BytesIO(render_png(Chart("c", "t", "u", (line,), Frame(extent, 5, across))))))
        color = [int(LOOKS[line.look].light[at : at + 2], 16) for at in (1, 3, 5)]
        assert (pixels[:, :, :3] == color).all(axis=2).sum() > 50


def test_files_are_named_after_the_figures_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "figures"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    written = write_figures(folder, [chart_of("a"), chart_of("b")])
    assert [path.name for path in written] == ["a.png", "a.csv", "b.png", "b.csv"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "a.png", "b.csv", "b.png", "mine.txt"]
    assert (folder / "a.csv").read_text() == render_csv(chart_of("a"))


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"file/figures cannot be made \(Not a directory\): check"):
        write_figures(tmp_path / "file" / "figures", [chart_of()])


def test_a_run_has_the_figures_of_its_page(full: Any) -> None:
    names = {path.name for path in write_run_figures(full.path)}
    assert {"accuracy.png", "accuracy.csv", "credit-spread.png", "seconds.csv"} <= names
    assert len(names) == 18
    rows = list(csv.DictReader(io.StringIO((full.path / "figures" / "accuracy.csv").read_text())))
    assert [int(row["step"]) for row in rows] == list(range(121))
    assert {"training, sampled", "held-out", "held-out low", "held-out high"} < set(rows[0])
    low, value, high = (float(rows[0][name]) for name in ("held-out low", "held-out", "held-out high"))
    assert 0 < low < value < high < 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (1e14, "100000000000000"), (1e300, "1e+300"), (-2.5, "-2.5")],
)
def test_numbers_of_files_are_short_and_read_back_the_same(value: float, text: str) -> None:
    assert shortest(value) == text
    assert float(shortest(value)) == value


@pytest.mark.parametrize("labels", [("a", "b"), ("W" * 40,) * 8, ("m" * 30, "a", "b", "c", "d")], ids=len)
def test_a_legend_lies_inside_the_image_and_takes_nothing_from_the_plot(
    labels: tuple[str, ...], saved: list[Figure]
) -> None:
    lines = tuple(Line(one, str(at), Series((0.0, 1.0), (0.1, 0.2)), at) for at, one in enumerate(labels))
    render_png(Chart("accuracy", "Accuracy", "share", lines, Frame((0.0, 1.0), 0), share=True))
    (figure,) = saved
    texts = figure.legends[0].get_texts()
    assert tuple(text.get_text() for text in texts) == labels
    boxes = [text.get_window_extent() for text in texts]
    assert all(0 <= box.x0 <= box.x1 <= figure.bbox.width and box.y0 >= 0 for box in boxes)
    (axes,) = figure.axes
    assert max(box.y1 for box in boxes) < axes.xaxis.label.get_window_extent().y0
    assert axes.get_window_extent().height / 2 == pytest.approx(PLOT_HEIGHT, abs=2)
