"""Where dots, whiskers and ticks stand, and which panels there are."""

import math
import re

import pytest

from spro.lab.oracle.figure import render_panel
from spro.lab.oracle.panel import LOG_FLOOR, Across, interval
from spro.lab.oracle.score import UNDEFINED, Z95, Estimate
from spro.lab.oracle.sweeps import make_sweeps
from tests.unit.lab.oracle.examples import CONFIG, METHODS, panel_of, study


def test_a_dot_stands_at_its_value_and_a_bound_at_its_floor() -> None:
    linear, logarithmic = panel_of(is_log=False), panel_of()
    assert linear.height(Estimate(-0.5, 0.1)) == -0.5
    assert logarithmic.height(Estimate(10.0, 0.1, 0.5)) == 1
    assert logarithmic.height(Estimate(0.01, None, 0.1)) == -1
    assert logarithmic.height(Estimate(0.0, None, 1e-9)) == math.log10(LOG_FLOOR)
    assert linear.height(UNDEFINED) is None
    assert logarithmic.height(UNDEFINED) is None


def test_a_whisker_is_the_interval_and_on_a_logarithmic_axis_ends_above_0() -> None:
    wide = Estimate(1.0, 10.0)
    assert interval(wide) == (1 - 10 * Z95, 1 + 10 * Z95)
    assert panel_of(is_log=False).whisker(wide) == (1 - 10 * Z95, 1 + 10 * Z95)
    assert panel_of().whisker(wide) == (-1.0, math.log10(1 + 10 * Z95))
    for bare in (UNDEFINED, Estimate(1.0), Estimate(0.01, None, 0.1)):
        assert interval(bare) is None
        assert panel_of().whisker(bare) == ()


@pytest.mark.parametrize(
    ("is_log", "values", "texts"),
    [
        (True, (0.04, 0.6), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
        (True, (0.0, 0.012), ["0.01", "0.02"]),
        (True, (1.0, 1.0), ["1", "2"]),
        (True, (500.0, 3000.0), ["500", "1000", "2000", "5000"]),
        (True, (0.02, 3000.0), ["0.01", "0.1", "1", "10", "100", "1000", "10000"]),
        (False, (0.991, 1.0), ["0.99", "0.992", "0.994", "0.996", "0.998", "1"]),
        (False, (0.988, 0.9995), ["0.9875", "0.99", "0.9925", "0.995", "0.9975", "1"]),
        (False, (-0.2, 0.2), ["\u22120.2", "\u22120.1", "0", "0.1", "0.2"]),
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


def test_texts_of_places_do_not_run_into_each_other() -> None:
    places = (0.0, 0.05, 0.111, 0.5, 1.0)
    across = Across("x", "x", "", places, places)
    assert across.ticks == ((0.0, "0"), (0.111, "0.11"), (0.5, "0.5"), (1.0, "1"))
    assert Across("x", "x", "", (8,), (3.0,)).ticks == ((0.5, "8"),)


def test_the_svg_has_hollow_dots_for_bounds_and_a_gap_where_nothing_is() -> None:
    known, bound = Estimate(0.5, 0.1, 0.2), Estimate(0.1, None, 0.3)
    svg = render_panel(panel_of(places=(0.0, 1.0, 2.0, 3.0), rloo=(known, bound, UNDEFINED, known)))
    assert svg.count("<circle") == 3
    assert svg.count('fill="var(--paper)"') == 1
    assert "drift, nats a response 1: below 0.300" in svg
    assert "drift, nats a response 0: 0.500 \u00b1 0.196" in svg
    assert len(re.findall("<path", svg)) == 1
    assert len(re.findall(r'<line [^>]*stroke="#', svg)) == 2


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
