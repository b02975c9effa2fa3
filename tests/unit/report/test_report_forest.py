import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from spro.report.forest import CAP, REACH, ROW, Forest, ForestRow, Whisker, render_forest
from spro.report.forest_figure import render_csv, render_png, write_forest
from spro.report.looks import LOOKS
from spro.report.text import MINUS

MALICE = '<img src=x onerror="alert(1)"></text><script>alert(1)</script>\u202e'


def whisker(value: float, low: float, high: float, seeds: int) -> Whisker:
    return Whisker(value, low, high, f"{value:.1f} ({low:.1f} to {high:.1f})".replace("-", MINUS), seeds)


def row_of(
    label: str,
    look: int,
    final: tuple[float, float, float] | str,
    difference: tuple[float, float, float] | str = "",
    seeds: dict[int, float | None] | None = None,
) -> ForestRow:
    """As many seeds are behind its numbers as came to something; behind the difference one fewer, if any is left."""
    seeds = seeds or {0: None}
    done = sum(value is not None for value in seeds.values())
    cell = final if isinstance(final, str) else whisker(*final, done)
    beside = difference if isinstance(difference, str) else whisker(*difference, max(done - 1, 1))
    return ForestRow(label, look, cell, beside, seeds)


def forest_of(*rows: ForestRow) -> Forest:
    return Forest("final", "Final score", "How to read it.", "avg@4, %", rows)


USUAL = forest_of(
    row_of("grpo", 0, (81.25, 79.5, 82.625), "baseline", {0: 80.5, 1: 82.0}),
    row_of("spro", 1, (82.875, 81.0, 84.0), (1.625, -0.75, 3.5), {0: 83.5, 1: 82.25}),
    row_of("broken", 2, "failed", "", {0: None, 1: None}),
    row_of("half", 3, (80.0, 78.25, 81.0), (-1.25, -3.0, 0.5), {0: 80.0, 1: None}),
)


def places(markup: str, at: str) -> list[float]:
    return [float(found) for found in re.findall(rf'\b{at}="([^"%]*)%"', markup)]


def panels_of(markup: str) -> list[str]:
    return markup.split('<svg class="field"')[1:]


def drawn_rows(panel: str) -> dict[str, str]:
    """What is drawn of each method, by its name."""
    parts = [part for part in panel.split('<g aria-hidden="true">') if 'class="name"' in part]
    return {re.findall(r'class="name">([^<]*)', part)[0]: part for part in parts}


def scale(panel: str) -> dict[float, float]:
    """The ticks as they are read, and where they stand."""
    ticks = re.findall(r'<text x="([^"%]*)%" y="\d+" class="tick[^"]*">([^<]*)</text>', panel)
    return {float(text.replace(MINUS, "-")): float(x) for x, text in ticks}


def value_at(place: float, ticks: dict[float, float]) -> float:
    (low, left), *_, (high, right) = sorted(ticks.items())
    return low + (high - low) * (place - left) / (right - left)


def test_dots_and_ends_of_whiskers_stand_where_the_axis_says() -> None:
    panels = panels_of(render_forest(USUAL))
    cells = [[row.final for row in USUAL.rows], [row.difference for row in USUAL.rows]]
    for panel, own in zip(panels, cells, strict=True):
        ticks, rows = scale(panel), drawn_rows(panel)
        for row, cell in zip(USUAL.rows, own, strict=True):
            drawn = rows[row.label]
            # A line between the ends, and a cap at each of them.
            ends = list(zip(places(drawn, "x1"), places(drawn, "x2"), strict=True))
            dots = places(drawn, "svg x")
            if isinstance(cell, str):
                assert not ends
                assert not dots
                continue
            assert [value_at(place, ticks) for place in ends[0]] == pytest.approx([cell.low, cell.high], abs=0.01)
            assert ends[1:] == [(ends[0][0],) * 2, (ends[0][1],) * 2]
            assert [value_at(place, ticks) for place in dots] == pytest.approx([cell.value], abs=0.01)
    for row in USUAL.rows:
        seeds = [value_at(place, scale(panels[0])) for place in places(drawn_rows(panels[0])[row.label], "cx")]
        assert seeds == pytest.approx([value for value in row.seeds.values() if value is not None], abs=0.01)
    assert "<circle" not in panels[1]


def test_the_line_of_no_difference_stands_at_0_and_nowhere_else() -> None:
    markup = render_forest(USUAL)
    ((place, other),) = re.findall(r'<line x1="([^"%]*)%" x2="([^"%]*)%" y1="\d+" y2="\d+" class="zero">', markup)
    assert place == other
    assert float(place) == scale(panels_of(markup)[1])[0.0]


def test_what_failed_is_named_and_has_no_dot() -> None:
    for panel, words in zip(panels_of(render_forest(USUAL)), (["broken", "failed"], ["broken"]), strict=True):
        drawn = drawn_rows(panel)["broken"]
        assert re.findall(r"<text[^>]*>([^<]*)</text>", drawn) == words
        assert not re.search("<svg|<path|<circle|<line", drawn)


def test_some_seeds_of_more_are_counted_beside_the_number_that_is_of_them() -> None:
    finals, differences = panels_of(render_forest(USUAL))
    assert re.search(r'class="number">80.0 \(78.2 to 81.0\)<tspan[^>]*> 1 of 2 seeds<', drawn_rows(finals)["half"])
    assert finals.count(' class="count"') == 1
    assert "seeds" not in differences


def test_it_can_be_read_aloud(parse: Any) -> None:
    tree = parse(render_forest(USUAL))
    images = [one for one in tree.named("svg") if one.get("role") == "img"]
    ids = [one["id"] for name in ("title", "desc") for one in tree.named(name) if "id" in one]
    assert len(set(ids)) == len(ids) == 4
    assert {part for image in images for part in (image["aria-labelledby"] or "").split()} == set(ids)
    assert [text for name, text in tree.text if name == "desc"] == [
        "grpo: 81.2 (79.5 to 82.6). spro: 82.9 (81.0 to 84.0). broken: failed. "
        "half: 80.0 (78.2 to 81.0), 1 of 2 seeds.",
        f"grpo: baseline. spro: 1.6 ({MINUS}0.8 to 3.5). half: {MINUS}1.2 ({MINUS}3.0 to 0.5).",
    ]


def test_what_stands_in_place_of_a_difference_is_not_read_where_there_is_none(parse: Any) -> None:
    rows = [row_of("a", 0, (50.0, 40.0, 60.0), "baseline"), row_of("b", 1, (55.0, 45.0, 65.0), "no seed in common")]
    tree = parse(render_forest(forest_of(*rows)))
    assert [text for name, text in tree.text if name == "desc"] == ["a: 50.0 (40.0 to 60.0). b: 55.0 (45.0 to 65.0)."]
    assert "baseline" not in tree.shown
    assert "in common" not in tree.shown


def test_a_label_is_text_wherever_it_stands(parse: Any) -> None:
    hostile = row_of(MALICE, 0, (50.0, 40.0, 60.0), (0.0, -1.0, 1.0), {0: 45.0, 1: None})
    forest = Forest("final", MALICE, MALICE, MALICE, (hostile, row_of(MALICE, 1, MALICE, MALICE)))
    tree = parse(render_forest(forest))
    assert {name for name, _ in tree.elements} == {
        "figure", "figcaption", "h3", "p", "div", "svg", "title", "desc", "g", "line", "text", "tspan", "path",
        "circle",
    }  # fmt: skip
    assert tree.shown.count("<script>alert(1)</script>\u27e8U+202E\u27e9") >= 8
    assert render_png(forest)


@pytest.mark.parametrize(
    "rows",
    [
        [row_of("a", 0, (0.0, 0.0, 0.0), "baseline"), row_of("b", 1, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))],
        [row_of("a", 0, (100.0, 100.0, 100.0), "baseline"), row_of("b", 1, (100.0, 95.0, 100.0), (0.0, -9.5, 9.5))],
        [row_of("a", 0, (0.0, 0.0, 12.5), "baseline"), row_of("b", 1, (100.0, 87.5, 100.0), (100.0, 75.0, 99.0))],
        [row_of("a", 0, (50.0, 40.0, 60.0), "baseline", {0: 10.0, 1: 90.0})],
        [row_of("a", 0, (50.0, 50.0, 50.0), "", {0: 50.0})],
        [row_of("a", 0, (0.1, 0.0, 0.3), "baseline"), row_of("b", 1, (0.1, 0.0, 0.3), (-1e-9, -3e-9, 2e-9))],
    ],
    ids=["all at 0", "all at 100", "from 0 to 100", "seeds beyond the interval", "one alone", "hardly different"],
)
def test_whatever_there_is_lies_inside_its_panel(rows: list[ForestRow]) -> None:
    forest = forest_of(*rows)
    markup = render_forest(forest)
    panels = panels_of(markup)
    assert len(panels) == 1 + any(isinstance(row.difference, Whisker) for row in rows)
    for panel in panels:
        found = places(panel, "(?:x|x1|x2|cx)")
        assert len(found) == panel.count('%"')
        assert all(2 <= place <= 98 for place in found)
        ticks = scale(panel)
        assert ticks[min(ticks)] == 2
        assert ticks[max(ticks)] == 98
        assert min(ticks) < max(ticks) <= 100
    assert render_png(forest)


@pytest.mark.parametrize("side", [1, -1])
def test_no_difference_is_in_sight_of_any_difference(side: int) -> None:
    ends = sorted((28.0 * side, 32.0 * side))
    best = row_of("b", 1, (80.0, 78.0, 82.0), (30.0 * side, ends[0], ends[1]))
    markup = render_forest(forest_of(row_of("a", 0, (50.0, 48.0, 52.0), "baseline"), best))
    assert 0.0 in scale(panels_of(markup)[1])
    assert markup.count('class="zero"') == 1


def test_a_lone_seed_is_the_dot_itself() -> None:
    markup = render_forest(forest_of(row_of("a", 0, (50.0, 40.0, 60.0), "", {0: 50.0})))
    assert "<circle" not in markup
    assert markup.count('class="dot look0"') == 1


def test_the_csv_has_every_number_exactly_and_what_there_is_not_is_empty() -> None:
    heads, *rows = csv.reader(io.StringIO(render_csv(USUAL)))
    assert heads[:6] == ["method", "seed", "accuracy", "accuracy low", "accuracy high", "seeds"]
    assert heads[6:] == ["difference", "difference low", "difference high", "difference seeds"]
    assert rows == [
        ["grpo", "", "81.25", "79.5", "82.625", "2", "", "", "", ""],
        ["grpo", "0", "80.5", "", "", "", "", "", "", ""],
        ["grpo", "1", "82", "", "", "", "", "", "", ""],
        ["spro", "", "82.875", "81", "84", "2", "1.625", "-0.75", "3.5", "1"],
        ["spro", "0", "83.5", "", "", "", "", "", "", ""],
        ["spro", "1", "82.25", "", "", "", "", "", "", ""],
        ["broken", "", "", "", "", "", "", "", "", ""],
        ["broken", "0", "", "", "", "", "", "", "", ""],
        ["broken", "1", "", "", "", "", "", "", "", ""],
        ["half", "", "80", "78.25", "81", "1", "-1.25", "-3", "0.5", "1"],
        ["half", "0", "80", "", "", "", "", "", "", ""],
        ["half", "1", "", "", "", "", "", "", "", ""],
    ]


@given(st.tuples(*[st.floats(0, 100)] * 3), st.tuples(*[st.floats(-100, 100)] * 3))
def test_what_the_csv_says_reads_back_the_same(
    final: tuple[float, float, float], difference: tuple[float, float, float]
) -> None:
    rows = list(csv.reader(io.StringIO(render_csv(forest_of(row_of("a", 0, final, difference, {7: final[0]}))))))
    assert tuple(map(float, rows[1][2:])) == (*final, 1, *difference, 1)
    assert rows[2][1] == "7"
    assert float(rows[2][2]) == final[0]


def test_the_image_is_the_same_each_time_and_shows_who_has_a_result() -> None:
    png = render_png(USUAL)
    assert render_png(USUAL) == png
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.width == 1440
    pixels = np.asarray(image).reshape(-1, 3)
    for look, has_result in zip(LOOKS[:4], (True, True, False, True), strict=True):
        color = [int(look.light[at : at + 2], 16) for at in (1, 3, 5)]
        count = int((pixels == color).all(axis=1).sum())
        assert count > 50 if has_result else count == 0


def test_long_names_take_no_room_from_the_panels() -> None:
    def dots(name: str) -> list[int]:
        """Columns of the image that hold the color of the method."""
        rows = [row_of(name, 1, (50.0, 40.0, 60.0), "baseline"), row_of("b", 1, (55.0, 45.0, 65.0), (5.0, 1.0, 9.0))]
        pixels = np.asarray(Image.open(io.BytesIO(render_png(forest_of(*rows)))).convert("RGB"))
        color = [int(LOOKS[1].light[at : at + 2], 16) for at in (1, 3, 5)]
        return np.flatnonzero((pixels == color).all(axis=2).any(axis=0)).tolist()

    assert dots("a") == dots("W" * 40)


@pytest.fixture
def painted(saved: list[Figure]) -> Callable[[Forest], Figure]:
    """Renders the image, and returns the figure that is saved."""

    def paint(forest: Forest) -> Figure:
        render_png(forest)
        return saved[-1]

    return paint


WIDE = "W" * 40
ONE_LINE = "Read it."
NOTES = {
    "one line": ONE_LINE,
    "the baseline": f"Dot and whisker: mean over seeds. Beside it the paired difference from {WIDE} in points.",
    "many": "Of one seed the interval is for other problems: " + ", ".join([WIDE] * 8) + ".",
    "words of nearly a line": " ".join(["i" * 100, WIDE, "i" * 100]),
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
def test_every_word_of_the_image_lies_inside_it(painted: Callable[[Forest], Figure], note: str) -> None:
    rows = [
        row_of(WIDE, 0, (100.0, 100.0, 100.0), "baseline", {0: 100.0, 1: None}),
        row_of(f"{WIDE[:39]}V", 1, (0.0, 0.0, 100.0), (-100.0, -100.0, 100.0), {0: 0.0, 1: None}),
    ]
    figure = painted(Forest("final", "Final score", note, "avg@4, %", tuple(rows)))
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert sum(text.get_text() == "1 of 2 seeds" for text in texts) == 2
    for text in texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width, text
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height, text
    assert figure.get_supxlabel().split() == note.split()
    usual = painted(Forest("final", "Final score", ONE_LINE, "avg@4, %", tuple(rows)))
    assert figure.axes[0].bbox.height == pytest.approx(usual.axes[0].bbox.height, abs=16)


def test_a_cap_at_the_end_of_an_axis_is_as_wide_as_any_other(painted: Callable[[Forest], Figure]) -> None:
    forest = forest_of(
        row_of("a", 1, (30.0, 0.0, 100.0), "baseline"), row_of("b", 1, (30.0, 11.0, 87.0), (30.0, -100.0, 100.0))
    )
    figure, pixels = painted(forest), np.asarray(Image.open(io.BytesIO(render_png(forest))).convert("RGB"))

    def ink(panel: int, row: int, value: float) -> float:
        """How much blue the paper lacks across the upper half of a cap."""
        x, y = figure.axes[panel].transData.transform((value, ROW * row + REACH - CAP / 2))
        across = pixels[round(len(pixels) - y), round(x) - 8 : round(x) + 8, 2]
        return float((0xFB - across.astype(float)).sum())

    inner = ink(0, 1, 11.0)
    assert inner > 300
    for panel, row, value in ((0, 1, 87.0), (0, 0, 0.0), (0, 0, 100.0), (1, 1, -100.0), (1, 1, 100.0)):
        assert ink(panel, row, value) == pytest.approx(inner, rel=0.15), (panel, value)


def test_files_are_named_after_the_figure_and_the_folder_is_made(tmp_path: Path) -> None:
    written = write_forest(tmp_path / "made" / "figures", USUAL)
    assert [path.name for path in written] == ["final.png", "final.csv"]
    assert written[1].read_text() == render_csv(USUAL)
    assert written[0].read_bytes() == render_png(USUAL)
