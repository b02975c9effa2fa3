import pytest

from spro.report.scale import nice_step, smooth, smoothing_window, step_axis, strokes, thin, value_axis
from spro.report.text import duration, exact, safe, short, tag


@pytest.mark.parametrize(
    ("rough", "step"), [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (2.2, 2.5), (3.0, 5.0), (7.0, 10.0), (0.03, 0.05)]
)
def test_nice_steps(rough: float, step: float) -> None:
    assert nice_step(rough) == pytest.approx(step)


@pytest.mark.parametrize(
    "values", [[0.0], [5.0], [-3.0], [1e-9, 2e-9], [1e12, 2e12], [100.0, 100.5], [-2.0, 3.0], [0.0, 1.0], [1e-300, 1.0]]
)
def test_a_value_axis_holds_its_values_and_ends_on_ticks(values: list[float]) -> None:
    axis = value_axis(values, target=4)
    assert axis.low <= min(values)
    assert max(values) <= axis.high
    assert (axis.low, axis.high) == (axis.ticks[0], axis.ticks[-1])
    assert 2 <= len(axis.ticks) <= 8
    assert list(axis.ticks) == sorted(set(axis.ticks))


def test_a_share_has_no_room_above_one() -> None:
    assert value_axis([0.1, 0.97], target=4, ceiling=1.0).high == 1.0
    assert value_axis([0.0, 0.01], target=4, ceiling=1.0).high == pytest.approx(0.01)


def test_a_step_axis_has_whole_ticks() -> None:
    assert step_axis(0, 120, 6).ticks == (0, 20, 40, 60, 80, 100, 120)
    assert step_axis(3, 5, 6).ticks == (3, 4, 5)
    assert step_axis(7, 7, 6).share(7) == 0.5


def test_smoothing_keeps_gaps_and_constants() -> None:
    assert smooth([1.0, None, 1.0, 1.0], 3) == [1.0, None, 1.0, 1.0]
    assert smooth([0.0, 3.0, 0.0], 3) == [1.5, 1.0, 1.5]
    assert smoothing_window(29) == 0
    assert smoothing_window(3000) == 51


def test_long_strokes_are_thinned_without_losing_extremes() -> None:
    points = [(float(x), float(x % 7)) for x in range(30_000)]
    points[12_345] = (12_345.0, 99.0)
    (kept,) = strokes(points)
    assert len(kept) < 1300
    assert (12_345.0, 99.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert kept == sorted(kept)
    assert strokes([(1.0, None)]) == []
    assert strokes([(1.0, 2.0), (2.0, None), (3.0, 4.0)]) == [[(1.0, 2.0)], [(3.0, 4.0)]]


def test_thinning_keeps_both_ends() -> None:
    assert thin(range(5), 10) == [0, 1, 2, 3, 4]
    kept = thin(range(1000), 100)
    assert (kept[0], kept[-1]) == (0, 999)
    assert len(kept) <= 101
    assert thin([], 10) == []


def test_numbers_for_the_eye() -> None:
    assert [short(v) for v in (0, 0.5, -1.25, 12345.6, 1e-7, 1e20)] == [
        "0",
        "0.500",
        "\u22121.25",
        "12,346",
        "1.00e\u221207",
        "1.00e+20",
    ]
    spans = [duration(s).replace("\u00a0", " ") for s in (0.25, 59.6, 61, 3599.9, 3725, 90_000)]
    assert spans == ["0.250 s", "1 min 0 s", "1 min 1 s", "1 h 0 min", "1 h 2 min", "1 d 1 h"]
    assert exact(None) == ""
    assert float(exact(0.123456789)) == pytest.approx(0.123457)


def test_markup_is_escaped() -> None:
    assert tag("a", safe("<&>"), title="\"'<", data_x=True, hidden=False, id=None) == (
        '<a title="&quot;&#x27;&lt;" data-x>&lt;&amp;&gt;</a>'
    )
