"""PNG and CSV of every panel."""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from spro.credit import METHODS as ALL_METHODS
from spro.lab.oracle import images, oracle_command
from spro.lab.oracle.images import render_csv, render_png, write_images
from spro.lab.oracle.page import render_oracle_page
from spro.lab.oracle.panel import Curve, Panel
from spro.lab.oracle.score import UNDEFINED, Z95, Estimate
from spro.lab.oracle.sweeps import SHOWN, make_sweeps
from spro.report import LIGHT_PAPER, SOFT, paint
from spro.report.picture import RULE
from tests.unit.lab.oracle.examples import CONFIG, METHODS, panel_of, study

NAMES = {
    f"{score}-by-{moving}"
    for score in ("correlation", "cosine", "bias", "noise-ratio")
    for moving in ("drift", "group-size", "length")
}


def table_of(panel: Panel) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(panel))))


def pixels(png: bytes, color: str) -> int:
    """How many have it."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return int((image == [int(color[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=2).sum())


def long_lines(png: bytes, color: str) -> int:
    """Groups of neighbouring rows of the image in which most have it."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    has = (image == [int(color[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=2).mean(axis=1) > 0.5
    return int((has[1:] & ~has[:-1]).sum())


def painted(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure behind the image, when it was written."""
    figures: list[Figure] = []

    def spy(height: int, draw: Callable[[Figure], None]) -> bytes:
        def both(figure: Figure) -> None:
            draw(figure)
            figures.append(figure)

        return paint(height, both)

    monkeypatch.setattr(images, "paint", spy)
    render_png(panel)
    (figure,) = figures
    return figure


def test_the_csv_has_every_number_of_every_method() -> None:
    along = [r for r in study() if (r.setting.length, r.setting.group_size) == (6, 4)]
    scores = {(r.setting.measured_drift, row.method): row.scores for r in along for row in r.rows}
    by_drift = make_sweeps(CONFIG, study())[0]
    for panel, score in zip(by_drift.panels, ("correlation", "cosine", "bias", "noise_ratio"), strict=True):
        rows = table_of(panel)
        found = [(float(row["measured_drift"]), row["method"]) for row in rows]
        assert found == [(drift, name) for drift in (0.0, 0.1, 1.0078125) for name in METHODS]
        for place, row in zip(found, rows, strict=True):
            estimate = scores[place][score]
            if row["below"] == "true":
                assert score == "bias"
                assert float(row["value"]) == estimate.floor
                continue
            assert estimate.value is not None
            assert estimate.error is not None
            assert float(row["value"]) == estimate.value
            least, most = (-1.0, 1.0) if score in ("correlation", "cosine") else (0.0, math.inf)
            assert float(row["low"]) == max(least, estimate.value - Z95 * estimate.error)
            assert float(row["high"]) == min(most, estimate.value + Z95 * estimate.error)
    assert {row["below"] for row in table_of(by_drift.panels[2])} == {"true", "false"}


def test_a_bound_and_what_has_no_meaning_in_the_csv() -> None:
    bound, exact, alone = Estimate(0.1, None, 0.3), Estimate(-0.25, 0.0), Estimate(1 / 3)
    panel = panel_of(places=(0.0, 1.5), spro=(bound, UNDEFINED), opo=(exact, alone))
    assert render_csv(panel) == (
        "measured_drift,method,value,low,high,below\n"
        "0.0,spro,0.3,,,true\n"
        "0.0,opo,-0.25,-0.25,-0.25,false\n"
        "1.5,spro,,,,false\n"
        f"1.5,opo,{1 / 3!r},,,false\n"
    )


def test_the_csv_knows_nothing_of_the_axis() -> None:
    tiny, wide = Estimate(1e-7, 1e-9, 1e-8), Estimate(0.5, 5.0)
    (first, second) = table_of(panel_of(spro=(tiny, wide)))
    assert float(first["value"]) == 1e-7
    assert float(second["low"]) == 0.5 - 5 * Z95


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_what_the_csv_says_reads_back_the_same(values: list[float]) -> None:
    places = tuple(map(float, range(len(values))))
    rows = table_of(panel_of(places=places, rloo=tuple(map(Estimate, values))))
    assert [float(row["value"]) for row in rows] == values
    assert [float(row["measured_drift"]) for row in rows] == list(places)


def test_whole_settings_are_whole_in_the_csv() -> None:
    of_group_size = make_sweeps(CONFIG, study())[1].panels[0]
    assert [row["group_size"] for row in table_of(of_group_size)][:: len(METHODS)] == ["2", "4", "16"]


SPRO, RLOO = (Estimate(0.5, 0.1, 0.2), Estimate(0.4, 0.05, 0.2)), (Estimate(1.0, 0.1, 0.2), Estimate(0.1, None, 0.3))


def test_the_image_is_a_png_and_the_same_each_time() -> None:
    png = render_png(panel_of(spro=SPRO, rloo=RLOO))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.width == 1440
    assert not image.info.keys() & {"Software", "Creation Time"}
    assert render_png(panel_of(spro=SPRO, rloo=RLOO)) == png


@pytest.mark.parametrize(
    "change",
    [
        lambda: panel_of(spro=(SPRO[0], Estimate(0.45, 0.05, 0.2)), rloo=RLOO),
        lambda: panel_of(spro=(SPRO[0], Estimate(0.4, 0.04, 0.2)), rloo=RLOO),
        lambda: panel_of(spro=(SPRO[0], Estimate(0.3, None, 0.4)), rloo=RLOO),
        lambda: panel_of(spro=(SPRO[0], UNDEFINED), rloo=RLOO),
        lambda: panel_of(spro=SPRO, grpo=RLOO),
        lambda: panel_of(is_log=False, spro=SPRO, rloo=RLOO),
        lambda: panel_of(places=(0.0, 0.6), spro=SPRO, rloo=RLOO),
        lambda: replace(panel_of(spro=SPRO, rloo=RLOO), title="Variance"),
    ],
    ids=["value", "interval", "bound", "undefined", "method", "axis", "place", "title"],
)
def test_of_other_data_it_is_another_image(change: Callable[[], Panel]) -> None:
    assert render_png(change()) != render_png(panel_of(spro=SPRO, rloo=RLOO))


def test_the_image_has_the_methods_that_the_page_shows_at_once() -> None:
    first, second = (Estimate(0.5), Estimate(0.7)), (Estimate(0.6), Estimate(0.8))
    assert render_png(panel_of(spro=SPRO, opo=first)) == render_png(panel_of(spro=SPRO, opo=second))
    panel = panel_of(spro=SPRO, rloo=RLOO)
    for curve in panel.curves:
        assert pixels(render_png(panel), curve.color) > 1000, curve.method


def test_methods_that_are_named_are_shown_in_image_and_page() -> None:
    config, results = CONFIG.model_copy(update={"methods": ("opo",)}), study()
    for named, expected in ((config, {"opo", "rloo"}), (CONFIG, {"grpo", "rloo", "spro"})):
        sweeps = make_sweeps(named, results)
        assert {curve.method for curve in sweeps[0].panels[0].curves if curve.is_shown} == expected
        page = render_oracle_page(named, results, sweeps)
        assert set(re.findall(r'id="show-(\w+)" checked', page)) == expected
    panel = make_sweeps(config, results)[0].panels[0]
    color = next(curve.color for curve in panel.curves if curve.method == "opo")
    assert pixels(render_png(panel), color) > 1000


def test_a_bound_is_a_hollow_dot() -> None:
    color = "#c65a00"
    full, hollow = (
        render_png(panel_of(places=(1.0,), spro=(estimate,)))
        for estimate in (Estimate(0.5, 0.0, 0.4), Estimate(0.1, None, 0.5))
    )
    assert pixels(full, color) > pixels(hollow, color) + 50
    nothing = render_png(panel_of(places=(1.0,), spro=(UNDEFINED,)))
    assert pixels(hollow, color) > pixels(nothing, color) + 50
    assert pixels(full, LIGHT_PAPER) < pixels(nothing, LIGHT_PAPER)


def test_a_method_without_any_value_is_an_empty_image_with_axes() -> None:
    empty, full = (render_png(panel_of(spro=(one, one))) for one in (UNDEFINED, Estimate(0.5)))
    for png in (empty, full):
        # The lower edge of the frame, and the lines of the grid.
        assert long_lines(png, SOFT) == 1
        assert long_lines(png, RULE) >= 1
    # The mark of the legend, which is all that an empty image has of a method.
    assert 0 < pixels(empty, "#c65a00") < pixels(full, "#c65a00") - 300


LONGEST = ("reinforce_plus_plus_baseline", "pure_return_baseline", "prime_repository", "spro_leave_one_out")


@pytest.mark.parametrize(
    "names",
    [
        ("spro",),
        SHOWN,
        (*LONGEST, "spro_step_whitened"),
        LONGEST,
        ("reinforce_plus_plus_baseline",) * 9,
        tuple(ALL_METHODS),
    ],
    ids=["one", "default", "long", "four", "longest", "all"],
)
def test_the_legend_lies_inside_the_image_and_takes_nothing_from_the_plot(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = tuple(Curve(name, "#112233", (), (Estimate(0.5, 0.01), Estimate(0.1, None, 0.3)), True) for name in names)
    panel = replace(panel_of(), curves=curves)
    figure = painted(panel, monkeypatch)
    width, height = figure.bbox.width, figure.bbox.height
    (legend,), (axes,) = figure.legends, figure.axes
    texts = [*legend.get_texts(), axes.title, axes._left_title, figure._suptitle]  # type: ignore[attr-defined]
    assert tuple(text.get_text() for text in legend.get_texts()) == names
    boxes = [text.get_window_extent() for text in texts]
    assert all(0 <= box.x0 <= box.x1 <= width and 0 <= box.y0 <= box.y1 <= height for box in boxes)
    labels = [axes.xaxis.label, *axes.get_xticklabels()]
    assert max(box.y1 for box in boxes[: len(names)]) < min(label.get_window_extent().y0 for label in labels)
    pixels_high = axes.get_window_extent().height / 2
    assert pixels_high == pytest.approx(251, abs=2)


def test_the_legend_of_the_default_page_has_four_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    curves = tuple(Curve(name, "#112233", (), (Estimate(0.5),), True) for name in SHOWN)
    figure = painted(replace(panel_of(places=(1.0,)), curves=curves), monkeypatch)
    assert figure.get_size_inches().tolist() == [7.2, 4.4]
    assert figure.legends[0]._ncols == 4  # type: ignore[attr-defined]


def test_files_bear_the_names_of_their_panels(tmp_path: Path) -> None:
    sweeps = make_sweeps(CONFIG, study())
    write_images(tmp_path / "figures", sweeps[:1])
    panels = sweeps[0].panels
    expected = {f"{panel.name}.{end}" for panel in panels for end in ("png", "csv")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == expected
    for panel in panels:
        assert (tmp_path / "figures" / f"{panel.name}.png").read_bytes() == render_png(panel)
        assert (tmp_path / "figures" / f"{panel.name}.csv").read_bytes() == render_csv(panel).encode()


def test_the_command_writes_every_panel_of_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prompts=2", "groups=4", "batches=20", "length=3", "drift=0.2", "drifts=0", "lengths=", "group_sizes=2"]
    folder = tmp_path / "truth"
    assert oracle_command([*words, "methods=spro,opo", f"out={folder}"]) == 0
    figures = folder / "figures"
    assert {path.name for path in figures.iterdir()} == {f"{name}.{end}" for name in NAMES for end in ("png", "csv")}
    page = (folder / "oracle.html").read_text()
    assert set(re.findall(r'id="panel-([^"]+)"', page)) == NAMES
    assert page.count("<svg") == len(NAMES)

    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    for moving, column in (("drift", "measured_drift"), ("group-size", "group_size"), ("length", "length")):
        for score in ("correlation", "cosine", "bias", "noise_ratio"):
            name = f"{score.replace('_', '-')}-by-{moving}"
            rows = list(csv.DictReader((figures / f"{name}.csv").read_text().splitlines()))
            assert {row["method"] for row in rows} == {"spro", "opo", "rloo"}
            for row in rows:
                key = f"{score}_floor" if row["below"] == "true" else score
                value = float(row["value"]) if row["value"] else None
                at = [line for line in lines if (str(line[column]), line["method"]) == (row[column], row["method"])]
                assert value in [line[key] for line in at], name
    assert capsys.readouterr().out.endswith("truth/oracle.html\n")
