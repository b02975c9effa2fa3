"""Where dots, whiskers and ticks stand, and which panels there are."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spro.lab.oracle.figure import render_panel
from spro.lab.oracle.page import render_oracle_page
from spro.lab.oracle.panel import INSET, LOG_FLOOR, Across
from spro.lab.oracle.score import UNDEFINED, Z95, Estimate
from spro.lab.oracle.sweeps import make_sweeps
from tests.unit.lab.oracle.examples import CONFIG, METHODS, panel_of, study


def test_a_dot_stands_at_its_value_and_a_bound_at_its_floor() -> None:
    linear, logarithmic = panel_of(is_log=False), panel_of()
    assert linear.height(Estimate(-0.5, 0.1)) == -0.5
    assert logarithmic.height(Estimate(10.0, 0.1, 0.5)) == 1
    assert logarithmic.height(Estimate(0.01, None, 0.1)) == -1
    for value in (1e-3, 1e-5, LOG_FLOOR):
        assert logarithmic.height(Estimate(value)) == math.log10(value)
    for estimate in (Estimate(0.0, None, 1e-9), Estimate(0.0), Estimate(-0.5)):
        assert logarithmic.height(estimate) == math.log10(LOG_FLOOR)
    assert linear.height(UNDEFINED) is None
    assert logarithmic.height(UNDEFINED) is None


def test_a_whisker_is_the_interval_and_on_a_logarithmic_axis_ends_above_0() -> None:
    wide = Estimate(1.0, 10.0)
    assert panel_of().interval(wide) == (1 - 10 * Z95, 1 + 10 * Z95)
    assert panel_of(is_log=False).whisker(wide) == (1 - 10 * Z95, 1 + 10 * Z95)
    assert panel_of().whisker(wide) == (-1.0, math.log10(1 + 10 * Z95))
    assert panel_of(limits=(0.0, math.inf)).whisker(wide) == (-1.0, math.log10(1 + 10 * Z95))
    for bare in (UNDEFINED, Estimate(1.0), Estimate(0.01, None, 0.1)):
        assert panel_of().interval(bare) is None
        assert panel_of().whisker(bare) == ()


def test_a_whisker_that_has_a_logarithm_is_drawn_in_full() -> None:
    long = Estimate(1.0, 0.999 / Z95)
    assert panel_of().whisker(long) == pytest.approx((-3.0, math.log10(1.999)))
    panel = panel_of(rloo=(long,), places=(1.0,))
    assert 10**panel.up.low <= 0.001


def test_an_interval_ends_where_the_score_does() -> None:
    panel = panel_of(is_log=False, limits=(-1.0, 1.0))
    high, low = Estimate(0.98, 0.1), Estimate(-0.98, 0.1)
    assert panel.interval(high) == (0.98 - 0.1 * Z95, 1.0)
    assert panel.interval(low) == (-1.0, -0.98 + 0.1 * Z95)
    assert panel.whisker(high) == panel.interval(high)
    assert panel.interval(Estimate(1.0000000000000002, 0.0)) == (1.0, 1.0)
    assert panel_of(is_log=False, limits=(-1.0, 1.0), rloo=(high, low)).up.ticks == (-1.0, -0.5, 0.0, 0.5, 1.0)
    limits = {panel.name.split("-by-")[0]: panel.limits for panel in make_sweeps(CONFIG, study())[0].panels}
    positive = (0.0, math.inf)
    assert limits == {"correlation": (-1, 1), "cosine": (-1, 1), "bias": positive, "noise-ratio": positive}


@pytest.mark.parametrize(("value", "error"), [(1.0, 0.02), (0.9, 0.08), (0.6, 0.5), (1.0, 0.0), (0.99999, 1e-5)])
def test_no_axis_of_a_cosine_runs_beyond_1(value: float, error: float) -> None:
    panel = panel_of(is_log=False, limits=(-1.0, 1.0), rloo=(Estimate(value, error), Estimate(0.8)))
    assert panel.up.high == 1.0


@pytest.mark.parametrize(
    ("is_log", "values", "texts"),
    [
        (True, (0.04, 0.6), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
        (True, (0.0, 0.012), ["\u2264 1e\u22126", "1e\u22125", "0.0001", "0.001", "0.01", "0.1"]),
        (True, (1e-9, 2e-6), ["\u2264 1e\u22126", "2e\u22126"]),
        (True, (0.002, 0.03), ["0.002", "0.005", "0.01", "0.02", "0.05"]),
        (True, (1 - 1e-12,), ["0.5", "1"]),
        (True, (2e6,), ["2e6", "5e6"]),
        (True, (1.0, 1.0), ["1", "2"]),
        (True, (500.0, 3000.0), ["500", "1000", "2000", "5000"]),
        (True, (0.02, 3000.0), ["0.01", "0.1", "1", "10", "100", "1000", "10000"]),
        (False, (0.991, 1.0), ["0.99", "0.992", "0.994", "0.996", "0.998", "1"]),
        (False, (0.988, 0.9995), ["0.9875", "0.99", "0.9925", "0.995", "0.9975", "1"]),
        (False, (-0.2, 0.2), ["\u22120.2", "\u22120.1", "0", "0.1", "0.2"]),
        (False, (0.9999991, 0.9999999), ["0.999999", "0.9999992", "0.9999994", "0.9999996", "0.9999998", "1"]),
        (False, (), ["0", "1"]),
    ],
)
def test_the_vertical_axis_ends_on_ticks_with_plain_numbers(
    is_log: bool, values: tuple[float, ...], texts: list[str]
) -> None:
    panel = panel_of(is_log, rloo=tuple(map(Estimate, values)))
    assert [panel.up_text(tick) for tick in panel.up.ticks] == texts
    assert (panel.up.low, panel.up.high) == (panel.up.ticks[0], panel.up.ticks[-1])


def test_the_vertical_axis_has_room_for_whiskers_and_for_methods_that_are_hidden() -> None:
    panel = panel_of(is_log=False, rloo=(Estimate(0.5, 0.5),), opo=(Estimate(-3.0),))
    assert panel.up.low <= -3
    assert panel.up.high >= 0.5 + 0.5 * Z95


@given(
    st.lists(
        st.builds(
            lambda near, off, share: Estimate(near * (1 + off), None if share is None else near * share),
            st.one_of(st.floats(-1.0, 1e9), st.sampled_from((0.0, 1e-6, 0.001, 0.2, 0.5, 1.0, 10.0, 500.0))),
            st.one_of(st.just(0.0), st.floats(-1e-9, 1e-9)),
            st.one_of(st.none(), st.floats(0.0, 2.0)),
        ),
        min_size=1,
        max_size=5,
    )
)
@example([Estimate(1 - 1e-12)])
@example([Estimate(1 - 1e-12), Estimate(1 - 1e-11, 0.0)])
@example([Estimate(10.0)])
def test_a_logarithmic_axis_holds_every_dot_and_whisker(estimates: list[Estimate]) -> None:
    panel = panel_of(places=tuple(map(float, range(len(estimates)))), rloo=tuple(estimates))
    up = panel.up
    assert up.low < up.high
    dots = [height for height in map(panel.height, estimates) if height is not None]
    ends = [end for estimate in estimates for end in panel.whisker(estimate)]
    assert all(up.low <= height <= up.high for height in [*dots, *ends])
    assert len(set(map(panel.up_text, up.ticks))) == len(up.ticks)
    assert "<svg" in render_panel(panel)


def test_texts_of_places_do_not_run_into_each_other() -> None:
    places = (0.0, 0.05, 0.111, 0.5, 1.0)
    across = Across("x", "x", "", places, places)
    assert across.ticks == ((0.0, "0"), (0.111, "0.11"), (0.5, "0.5"), (1.0, "1"))
    assert Across("x", "x", "", (8,), (3.0,)).ticks == ((0.5, "8"),)
    dense = tuple(index / 1000 for index in range(12))
    kept = Across("x", "x", "", dense, dense).ticks
    assert [text for _, text in kept] == ["0", "0.001", "0.003", "0.005", "0.007", "0.009", "0.011"]


@pytest.mark.parametrize(
    ("places", "texts"),
    [
        ((0.0, 0.2590846, 1.0078, 2.0036), ("0", "0.26", "1.01", "2")),
        ((0.0, 0.002, 0.004), ("0", "0.002", "0.004")),
        ((0.002, 1.5), ("0.002", "1.5")),
        ((0.0, 1e-9, 0.5), ("0", "1e-09", "0.5")),
        ((2, 4, 100), ("2", "4", "100")),
    ],
)
def test_the_text_of_a_place_has_the_digits_that_it_needs(places: tuple[float, ...], texts: tuple[str, ...]) -> None:
    assert Across("x", "x", "", places, places).texts == texts


@given(st.sets(st.one_of(st.integers(0, 300), st.floats(0.0, 20.0)), min_size=1, max_size=9))
def test_no_two_places_have_the_same_text(places: set[float]) -> None:
    across = Across("x", "x", "", tuple(sorted(places)), tuple(sorted(places)))
    assert len(set(across.texts)) == len(places)
    assert all(float(text) > 0 for text, place in zip(across.texts, across.places, strict=True) if place > 0)


def test_the_svg_has_hollow_dots_for_bounds_and_a_gap_where_nothing_is() -> None:
    known, bound = Estimate(0.5, 0.1, 0.2), Estimate(0.1, None, 0.3)
    svg = render_panel(panel_of(places=(0.0, 1.0, 2.0, 3.0), rloo=(known, bound, UNDEFINED, known)))
    assert svg.count("<circle") == 3
    assert svg.count('fill="var(--paper)"') == 1
    assert "drift, nats a response 1: below 0.300" in svg
    assert "drift, nats a response 0: 0.500 (95 % interval 0.304 to 0.696)" in svg
    assert len(re.findall("<path", svg)) == 1
    assert len(re.findall(r'<line [^>]*stroke="#', svg)) == 2


def test_a_tip_tells_the_interval_that_is_drawn() -> None:
    svg = render_panel(panel_of(is_log=False, limits=(-1.0, 1.0), places=(0.0,), rloo=(Estimate(0.98, 0.1),)))
    assert "0: 0.980 (95 % interval 0.784 to 1.00)" in svg


def test_the_places_at_the_ends_stand_off_the_ends_of_the_axis() -> None:
    svg = render_panel(panel_of(rloo=(Estimate(0.5), Estimate(0.6))))
    left, right = (float(x) for x in re.findall(r'<circle cx="([^"]+)"', svg))
    first, last = (float(re.findall(rf'<line [^>]*{end}="([^"]+)"', svg)[0]) for end in ("x1", "x2"))
    assert (left - first) / (right - left) == pytest.approx(INSET, abs=1e-3)
    assert (last - right) / (right - left) == pytest.approx(INSET, abs=1e-3)


def test_a_panel_is_told_in_words() -> None:
    known, bound = Estimate(0.5, 0.1, 0.2), Estimate(0.1, None, 0.3)
    panel = panel_of(places=(0.0, 0.002, 3.0), rloo=(known, bound, UNDEFINED), opo=(Estimate(9.0),) * 3)
    plot = ElementTree.fromstring(render_panel(panel)).find("svg")
    assert plot is not None
    of = {element.get("id"): element.text for element in plot if element.get("id")}
    assert of[plot.get("aria-labelledby")] == panel.heading == "Bias by drift"
    assert of[plot.get("aria-describedby")] == (
        "best scale. Across: drift, nats a response. rloo, 0: 0.500; 0.002: below 0.300; 3: none. "
        "The CSV has all methods and the intervals."
    )


def test_each_panel_of_the_page_is_told_in_words_and_points_at_its_file() -> None:
    sweeps = make_sweeps(CONFIG, study())
    page = render_oracle_page(CONFIG, study(), sweeps)
    panels = [panel for sweep in sweeps for panel in sweep.panels]
    assert re.findall(r'href="([^"]+)"', page) == [f"figures/{panel.name}.csv" for panel in panels]
    assert len(re.findall(r"<desc [^>]*>[^<]*grpo, [^<]*rloo, [^<]*spro, ", page)) == len(panels)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    described = re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page)
    assert len(described) == 2 * len(panels)
    assert set(described) <= set(ids)


def test_the_panels_are_four_scores_by_each_setting_that_moves() -> None:
    sweeps = make_sweeps(CONFIG, study())
    names = [panel.name for sweep in sweeps for panel in sweep.panels]
    scores = ("correlation", "cosine", "bias", "noise-ratio")
    assert names == [f"{score}-by-{moving}" for moving in ("drift", "group-size", "length") for score in scores]
    assert [sweep.across.column for sweep in sweeps] == ["measured_drift", "group_size", "length"]
    assert [sweep.across.places for sweep in sweeps] == [(0.0, 0.1, 1.0078125), (2, 4, 16), (4, 6)]
    assert sweeps[1].across.shares == (0.0, 1 / 3, 1.0)
    assert [panel.is_log for panel in sweeps[0].panels] == [False, False, True, True]
    assert [curve.method for curve in sweeps[0].panels[0].curves] == list(METHODS)


def test_a_curve_has_the_scores_of_its_method_from_place_to_place() -> None:
    results = {(r.setting.length, r.setting.group_size, r.setting.measured_drift): r for r in study()}
    of_group_size = make_sweeps(CONFIG, list(results.values()))[1]
    for curve in of_group_size.panels[3].curves:
        rows = [row for size in (2, 4, 16) for row in results[6, size, 1.0078125].rows if row.method == curve.method]
        assert curve.estimates == tuple(row.scores["noise_ratio"] for row in rows)
