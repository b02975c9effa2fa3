import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spro.report.chart import Chart, Frame, Line, Series, render_chart
from spro.report.looks import DARK_PAPER, LIGHT_PAPER, LOOKS
from spro.report.scale import place_axis
from spro.report.text import MINUS, place_text, precise, tick_text

# How light reaches eyes without one kind of cone, on linear RGB (Machado et al. 2009, severity 1).
EYES = {
    "all cones": np.eye(3),
    "no red": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]]),
    "no green": np.array([[0.3673, 0.8606, -0.228], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "no blue": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}
OKLAB_CONES = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]])
OKLAB = np.array([[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2."""
    dark, light = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def seen(color: str, eye: np.ndarray) -> np.ndarray:
    """In Oklab, where distances are about as large as they look."""
    return OKLAB @ np.cbrt(OKLAB_CONES @ np.clip(eye @ linear(color), 0, 1))


@pytest.mark.parametrize(("paper", "theme"), [(LIGHT_PAPER, "light"), (DARK_PAPER, "dark")])
def test_every_look_stands_out_from_paper_and_from_the_others_for_every_eye(paper: str, theme: str) -> None:
    colors = [getattr(look, theme) for look in LOOKS]
    assert min(contrast(color, paper) for color in colors) >= 3
    for name, eye in EYES.items():
        for one, other in itertools.combinations(colors, 2):
            distance = float(np.linalg.norm(seen(one, eye) - seen(other, eye)))
            # Two neighbours of a color picker are 0.02 apart.
            assert distance > 0.09, (name, one, other)


def test_looks_differ_without_color() -> None:
    for name in ("dash", "marker", "outline"):
        assert len({getattr(look, name) for look in LOOKS}) == len(LOOKS) == 8


def chart_of(*lines: Line, frame: Frame, share: bool = False) -> Chart:
    return Chart("name", "Title", "unit", lines, frame, share=share)


def line_of(values: dict[float, float | None], spans: dict[float, tuple[float, float]] | None = None) -> Line:
    return Line("a", "key", Series(tuple(values), tuple(values.values())), 0, spans=spans or {})


def texts(markup: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", markup)


@pytest.mark.parametrize(
    ("across", "last", "expected"),
    [
        ("FLOPs", 1.5e15, ["0", "5e14", "1e15", "1.5e15"]),
        ("FLOPs", 4e9, ["0", "1B", "2B", "3B", "4B"]),
        ("tokens", 12.3e6, ["0", "5M", "10M"]),
        ("tokens", 1.8e6, ["0", "0.5M", "1M", "1.5M"]),
        ("tokens", 9000, ["0", "2.5k", "5k", "7.5k"]),
        ("tokens, millions", 12.3, ["0", "5", "10"]),
        ("hours", 0.9, ["0", "0.25", "0.5", "0.75"]),
        ("step", 2, ["0", "1", "2"]),
        ("step", 4000, ["0", "1,000", "2,000", "3,000", "4,000"]),
    ],
)
def test_an_axis_is_readable_whatever_it_counts(across: str, last: float, expected: list[str]) -> None:
    chart = chart_of(line_of({0: 1.0, last: 2.0}), frame=Frame((0, last), 0, across))
    axis = chart.across
    assert [chart.frame.tick(tick, axis) for tick in axis.ticks] == expected
    markup = render_chart(chart)
    assert across in texts(markup)
    assert set(expected) <= set(texts(markup))
    assert f'data-across="{across}"' in markup
    assert f'<th scope="col">{across}</th>' in markup


def test_places_are_told_with_what_they_count() -> None:
    assert Frame((0, 9), 0).at(1200) == "step 1,200"
    assert Frame((0, 9), 0, "hours").at(1.25) == "hours 1.25"
    assert Frame((0, 9), 0, "tokens, millions").at(12.345) == "tokens 12.35 millions"
    assert Frame((0, 9), 0, "FLOPs").at(1.5e15) == "FLOPs 1.5e15"
    markup = render_chart(chart_of(line_of({0.5: 1.0, 1.25: 2.0}), frame=Frame((0.5, 1.25), 0, "hours")))
    assert "a: 1.00 at hours 0.5, 2.00 at hours 1.25." in markup
    assert '<th scope="row">1.25</th>' in markup
    assert "<caption>Title by hours</caption>" in markup


def test_a_single_place_stands_in_the_middle() -> None:
    for place in (0.0, 2.5, 1e18):
        axis = place_axis(place, place, 4)
        assert axis.share(place) == pytest.approx(0.5)
        assert axis.ticks == (place,)


@given(st.floats(0, 1e18), st.floats(1e-3, 1e18))
@example(first=1_944_000.0, length=2000.0)
@example(first=999_255_775.0, length=1.0)
@example(first=9.992507492504995e17, length=1.0)
def test_ticks_lie_on_the_axis_and_differ_in_words(first: float, length: float) -> None:
    last = first + max(length, first * 1e-3)
    axis = place_axis(first, last, 4)
    assert all(first <= tick <= last for tick in axis.ticks)
    words = [tick_text(tick, axis.ticks) for tick in axis.ticks]
    assert len(set(words)) == len(words) >= 1
    assert all(len(word) <= 10 and "+" not in word for word in words)


@given(st.floats(1e-6, 1e18))
def test_places_read_back(place: float) -> None:
    assert float(precise(place)) == pytest.approx(place, rel=1e-11)
    assert float(place_text(place).replace(",", "").replace(MINUS, "-")) == pytest.approx(place, rel=5e-3)


def path(markup: str, kind: str) -> list[list[tuple[float, float]]]:
    found = re.search(rf'<path d="([^"]*)" class="{kind} look0"', markup)
    assert found is not None
    parts = [part for part in re.split("[MZ]", found[1]) if part]
    return [[(float(x), float(y)) for x, y in (pair.split() for pair in part.split("L"))] for part in parts]


def test_intervals_of_any_shape_are_drawn_tabled_and_held_by_the_axis() -> None:
    values: dict[float, float | None] = {0: 1.0, 1: 2.0, 2: None, 3: 2.0, 4: 3.0}
    spans = {0: (0.5, 1.25), 1: (1.0, 9.0), 3: (2.0, 2.0), 4: (-4.0, 3.5)}
    chart = chart_of(line_of(values, spans), frame=Frame((0, 4), 0))
    assert chart.up.low <= -4
    assert chart.up.high >= 9
    markup = render_chart(chart)
    assert markup.count('class="band look0"') == 2
    assert "<td>1</td><td>0.5 to 1.25</td>" in markup
    assert "<td></td><td></td>" in markup
    (outline,) = path(markup, "band")
    assert [x for x, _ in outline] == [0, 250, 250, 0]
    heights = [chart.height * (1 - chart.up.share(value)) for value in (0.5, 1.0, 9.0, 1.25)]
    assert [y for _, y in outline] == pytest.approx(heights, abs=0.06)


def test_bands_lie_below_every_line() -> None:
    spans = {0: (0.0, 2.0), 1: (1.0, 3.0)}
    lines = [Line(name, name, Series((0, 1), (1.0, 2.0)), look, spans=spans) for look, name in enumerate("ab")]
    kinds = re.findall(r'<path d="[^"]*" class="(\S+)', render_chart(chart_of(*lines, frame=Frame((0, 1), 0))))
    assert kinds == ["band", "line", "band", "line", "line", "line"]


def test_a_long_band_stays_short_and_keeps_its_widest_place() -> None:
    values: dict[float, float | None] = {float(place): 1.0 for place in range(20_000)}
    spans = dict.fromkeys(values, (0.0, 2.0)) | {12_345.0: (-50.0, 70.0)}
    chart = chart_of(line_of(values, spans), frame=Frame((0, 19_999), 0, "tokens"))
    (outline,) = path(render_chart(chart), "band")
    assert len(outline) < 3000
    heights = [y for _, y in outline]
    assert min(heights) == pytest.approx(chart.height * (1 - chart.up.share(70.0)), abs=0.06)
    assert max(heights) == pytest.approx(chart.height * (1 - chart.up.share(-50.0)), abs=0.06)


def test_marks_name_their_place_and_interval() -> None:
    line = Line("a <b>", "k", Series((1.5e15, 3e15), (0.25, 0.5)), 3, marked=True, spans={1.5e15: (0.2, 0.375)})
    markup = render_chart(chart_of(line, frame=Frame((0, 3e15), 0, "FLOPs"), share=True))
    titles = [title.replace("\u00a0", " ") for title in re.findall("<title>([^<]*)</title>", markup)]
    assert titles == [
        "a &lt;b&gt;, FLOPs 1.5e15: 25.0 % (95 % interval 20.0 % to 37.5 %)",
        "a &lt;b&gt;, FLOPs 3e15: 50.0 %",
    ]
    assert markup.count(LOOKS[3].outline) == 3


def test_a_thinned_table_says_where_all_values_are() -> None:
    values: dict[float, float | None] = {place / 4: math.sin(place) for place in range(1000)}
    markup = render_chart(chart_of(line_of(values), frame=Frame((0, 249.75), 0, "hours", "curves.csv")))
    assert re.search(r"Title by hours; \d+ places between are in curves.csv", markup)
