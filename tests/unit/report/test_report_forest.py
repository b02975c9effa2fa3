import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spro.report.forest import Forest, ForestRow, Whisker, render_forest
from spro.report.forest_figure import render_csv, render_png, write_forest
from spro.report.looks import LOOKS
from spro.report.text import MINUS

MALICE = '<img src=x onerror="alert(1)"></text><script>alert(1)</script>\u202e'


def whisker(value: float, low: float, high: float) -> Whisker:
    return Whisker(value, low, high, f"{value:.1f} ({low:.1f} to {high:.1f})".replace("-", MINUS))


def row_of(
    label: str,
    look: int,
    final: tuple[float, float, float] | str,
    difference: tuple[float, float, float] | str = "",
    seeds: dict[int, float | None] | None = None,
) -> ForestRow:
    cells = [one if isinstance(one, str) else whisker(*one) for one in (final, difference)]
    return ForestRow(label, look, *cells, seeds or {0: None})


def forest_of(*rows: ForestRow) -> Forest:
    return Forest("final", "Final score", "How to read it.", "avg@4, %", rows)


USUAL = forest_of(
    row_of("grpo", 0, (81.25, 79.5, 82.625), "baseline", {0: 80.5, 1: 82.0}),
    row_of("spro", 1, (82.875, 81.0, 84.0), (1.625, -0.75, 3.5), {0: 83.5, 1: 82.25}),
    row_of("broken", 2, "failed", "", {0: None, 1: None}),
    row_of("half", 3, (80.0, 78.25, 81.0), (-1.25, -3.0, 0.5), {0: 80.0, 1: None}),
)


def places(markup: str, at: str) -> list[float]:
    return [float(found) for found in re.findall(rf'{at}="([\d.]+)%"', markup)]


def drawn_rows(markup: str) -> dict[str, str]:
    """What is drawn of each method, by its name."""
    parts = [part for part in markup.split('<g aria-hidden="true">') if 'class="name"' in part]
    return {re.findall(r'class="name">([^<]*)', part)[0]: part for part in parts}


def scales(markup: str) -> list[dict[float, float]]:
    """Of each panel its ticks as they are read, and where they stand."""
    found = []
    for part in markup.split('<g aria-hidden="true">'):
        ticks = re.findall(r'<text x="([\d.]+)%" y="\d+" class="tick[^"]*">([^<]*)</text>', part)
        if ticks:
            found.append({float(text.replace(MINUS, "-")): float(x) for x, text in ticks})
    return found


def value_at(place: float, ticks: dict[float, float]) -> float:
    (low, left), *_, (high, right) = sorted(ticks.items())
    return low + (high - low) * (place - left) / (right - left)


def test_dots_and_ends_of_whiskers_stand_where_the_axis_says() -> None:
    markup = render_forest(USUAL)
    finals, differences = scales(markup)
    for row in USUAL.rows:
        drawn = drawn_rows(markup)[row.label]
        # A line between the ends, and a cap at each of them.
        ends = list(zip(places(drawn, "x1"), places(drawn, "x2"), strict=True))
        dots = places(drawn, "<svg x")
        for cell, ticks in ((row.final, finals), (row.difference, differences)):
            if isinstance(cell, str):
                continue
            low, high = (value_at(place, ticks) for place in ends[0])
            assert (low, high) == (pytest.approx(cell.low, abs=0.01), pytest.approx(cell.high, abs=0.01))
            assert ends[1:3] == [(ends[0][0],) * 2, (ends[0][1],) * 2]
            assert value_at(dots[0], ticks) == pytest.approx(cell.value, abs=0.01)
            ends, dots = ends[3:], dots[1:]
        assert not ends
        assert not dots
        seeds = [value_at(place, finals) for place in places(drawn, "cx")]
        assert seeds == pytest.approx([value for value in row.seeds.values() if value is not None], abs=0.01)


def test_the_line_of_no_difference_stands_at_0_and_nowhere_else() -> None:
    markup = render_forest(USUAL)
    ((place, other),) = re.findall(r'<line x1="([\d.]+)%" x2="([\d.]+)%" y1="\d+" y2="\d+" class="zero">', markup)
    assert place == other
    assert float(place) == scales(markup)[1][0.0]


def test_what_failed_is_named_and_has_no_dot() -> None:
    drawn = drawn_rows(render_forest(USUAL))["broken"]
    assert re.findall(r"<text[^>]*>([^<]*)</text>", drawn) == ["broken", "failed", ""]
    assert not re.search("<svg|<path|<circle|<line", drawn)


def test_some_seeds_of_more_are_counted() -> None:
    rows = drawn_rows(render_forest(USUAL))
    assert "1 of 2 seeds" in rows["half"]
    assert not any("seeds" in rows[label] for label in ("grpo", "spro", "broken"))


def test_it_can_be_read_aloud(parse: Any) -> None:
    tree = parse(render_forest(USUAL))
    image = next(one for one in tree.named("svg") if one.get("role") == "img")
    ids = {one["id"] for name in ("title", "desc") for one in tree.named(name) if "id" in one}
    assert set((image["aria-labelledby"] or "").split()) == ids
    assert "".join(text for name, text in tree.text if name == "desc") == (
        "grpo: 81.2 (79.5 to 82.6), baseline. "
        f"spro: 82.9 (81.0 to 84.0), difference 1.6 ({MINUS}0.8 to 3.5). "
        "broken: failed. "
        f"half: 80.0 (78.2 to 81.0), difference {MINUS}1.2 ({MINUS}3.0 to 0.5), 1 of 2 seeds."
    )


def test_a_label_is_text_wherever_it_stands(parse: Any) -> None:
    hostile = row_of(MALICE, 0, (50.0, 40.0, 60.0), (0.0, -1.0, 1.0), {0: 45.0, 1: None})
    forest = Forest("final", MALICE, MALICE, MALICE, (hostile, row_of(MALICE, 1, MALICE, MALICE)))
    tree = parse(render_forest(forest))
    assert {name for name, _ in tree.elements} == {
        "figure", "figcaption", "h3", "p", "svg", "title", "desc", "g", "line", "text", "tspan", "path", "circle",
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
    ],
    ids=["all at 0", "all at 100", "from 0 to 100", "seeds beyond the interval", "one alone"],
)
def test_whatever_there_is_lies_inside_its_panel(rows: list[ForestRow]) -> None:
    forest = forest_of(*rows)
    markup = render_forest(forest)
    has_differences = any(isinstance(row.difference, Whisker) for row in rows)
    panels = [(2.0, 46.5), (53.5, 98.0)] if has_differences else [(2.0, 98.0)]
    for place in places(markup, "(?:x|x1|x2|cx)"):
        assert any(left <= place <= right for left, right in panels)
    for ticks, (left, right) in zip(scales(markup), panels, strict=True):
        assert ticks[min(ticks)] == left
        assert ticks[max(ticks)] == right
        assert min(ticks) < max(ticks) <= 100
    assert render_png(forest)


@pytest.mark.parametrize("side", [1, -1])
def test_no_difference_is_in_sight_of_any_difference(side: int) -> None:
    ends = sorted((28.0 * side, 32.0 * side))
    best = row_of("b", 1, (80.0, 78.0, 82.0), (30.0 * side, ends[0], ends[1]))
    markup = render_forest(forest_of(row_of("a", 0, (50.0, 48.0, 52.0), "baseline"), best))
    assert 0.0 in scales(markup)[1]
    assert markup.count('class="zero"') == 1


def test_a_lone_seed_is_the_dot_itself() -> None:
    markup = render_forest(forest_of(row_of("a", 0, (50.0, 40.0, 60.0), "", {0: 50.0})))
    assert "<circle" not in markup
    assert markup.count('class="dot look0"') == 1


def test_the_csv_has_every_number_exactly_and_what_there_is_not_is_empty() -> None:
    heads, *rows = csv.reader(io.StringIO(render_csv(USUAL)))
    assert heads[:5] == ["method", "seed", "accuracy", "accuracy low", "accuracy high"]
    assert heads[5:] == ["difference", "difference low", "difference high"]
    assert rows == [
        ["grpo", "", "81.25", "79.5", "82.625", "", "", ""],
        ["grpo", "0", "80.5", "", "", "", "", ""],
        ["grpo", "1", "82", "", "", "", "", ""],
        ["spro", "", "82.875", "81", "84", "1.625", "-0.75", "3.5"],
        ["spro", "0", "83.5", "", "", "", "", ""],
        ["spro", "1", "82.25", "", "", "", "", ""],
        ["broken", "", "", "", "", "", "", ""],
        ["broken", "0", "", "", "", "", "", ""],
        ["broken", "1", "", "", "", "", "", ""],
        ["half", "", "80", "78.25", "81", "-1.25", "-3", "0.5"],
        ["half", "0", "80", "", "", "", "", ""],
        ["half", "1", "", "", "", "", "", ""],
    ]


@given(st.tuples(*[st.floats(0, 100)] * 3), st.tuples(*[st.floats(-100, 100)] * 3))
def test_what_the_csv_says_reads_back_the_same(
    final: tuple[float, float, float], difference: tuple[float, float, float]
) -> None:
    rows = list(csv.reader(io.StringIO(render_csv(forest_of(row_of("a", 0, final, difference, {7: final[0]}))))))
    assert tuple(map(float, rows[1][2:])) == (*final, *difference)
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


def test_files_are_named_after_the_figure_and_the_folder_is_made(tmp_path: Path) -> None:
    written = write_forest(tmp_path / "made" / "figures", USUAL)
    assert [path.name for path in written] == ["final.png", "final.csv"]
    assert written[1].read_text() == render_csv(USUAL)
    assert written[0].read_bytes() == render_png(USUAL)
