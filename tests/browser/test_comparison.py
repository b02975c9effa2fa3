"""The page of a comparison in a real browser."""

import csv
import random
import re
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from spro.errors import ConfigError
from spro.lab.compare import rebuild_comparison
from spro.lab.compare.config import load_compare
from spro.lab.compare.summary import Scores, Summary
from tests.browser.conftest import DESKTOP, PHONE, screenshot
from tests.unit.lab.compare.examples import learned, summary, usual, write_comparison

NARROW, TABLET = {"width": 320, "height": 568}, {"width": 721, "height": 1024}
"""The narrowest page, and the narrowest one with two panels beside each other."""
WIDE = "W" * 40
MALICE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>\u202e\x07"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rebuild_comparison(usual(tmp_path_factory.mktemp("comparison") / "usual"))


def test_curves_tables_and_sentences_are_there(page: Page, comparison: Path) -> None:
    page.goto(comparison.as_uri())
    expect(page.locator("p.lead")).to_contain_text("spro ended best")
    figures = page.locator("figure.chart")
    assert figures.count() == 8
    for index in range(figures.count()):
        paths = figures.nth(index).locator("path.strong")
        assert paths.count() == 3
        for path in paths.all():
            assert re.match(r"M[\d.]+ [\d.]+L", path.get_attribute("d") or "")
    assert page.locator("#results table").count() == 7
    expect(page.locator("#results")).to_contain_text("failed: exit code 1: TrainingError")
    screenshot(page, "comparison")


def test_the_final_result_comes_first_and_is_seen_whole(page: Page, comparison: Path) -> None:
    page.goto(comparison.as_uri())
    assert page.locator("main > section").first.get_attribute("id") == "final"
    pictures = page.get_by_role("img", name="Final avg@4 in percent")
    assert pictures.count() == 2
    for picture in pictures.all():
        expect(picture).to_be_visible()
        for part in picture.locator("path, circle, line").all():
            assert is_inside(box_of(part), box_of(picture))
    check_words(page)
    finals, differences = pictures.all()
    expect(finals.locator("text.name")).to_have_text(["grpo", "spro", "prime"])
    expect(finals.locator(".count")).to_have_text(["2 of 3 seeds"])
    assert finals.locator("path.dot").count() == 3
    assert differences.locator("path.dot").count() == 2
    assert finals.locator("circle.seed").count() == 8
    colors = finals.locator("path.dot").evaluate_all("them => them.map(it => getComputedStyle(it).fill)")
    assert len(set(colors)) == 3


def box_of(part: Locator) -> FloatRect:
    box = part.bounding_box()
    assert box is not None
    return box


def is_inside(inner: FloatRect, outer: FloatRect) -> bool:
    """But for a pixel, by which a round dot may be off."""
    across = outer["x"] - 1 <= inner["x"] and inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
    return across and outer["y"] - 1 <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1


def check_words(page: Page) -> None:
    """Every word of the figure is seen whole; but a name of 40 wide letters may be cut, and is told on its row."""
    frame = box_of(page.locator("#final .panels"))
    assert is_inside(frame, {"x": 0, "y": 0, "width": page.evaluate("innerWidth"), "height": 1e6})
    for panel in page.locator("#final svg.field").all():
        for text in panel.locator("text:not(.name)").all():
            assert is_inside(box_of(text), box_of(panel)), text.text_content()
        ticks = sorted((box["x"], box["width"]) for box in map(box_of, panel.locator("text.tick").all()))
        assert all(x + width + 4 <= after for (x, width), (after, _) in pairwise(ticks))
        for name in panel.locator("text.name:visible").all():
            box = box_of(name)
            is_wide = "WWW" in (name.text_content() or "")
            assert is_inside({**box, "width": 0} if is_wide else box, frame)
            assert name.locator("xpath=../*[local-name() = 'title']").text_content() == name.text_content()


@pytest.fixture(scope="module")
def extremes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The longest names and numbers: differences of a hundred points, with fewer seeds in common than there are."""
    rates = {WIDE: 1.0, f"{WIDE[:39]}V": 0.5, "spro_control_variate_of_forty_letters_ij": 1.0, "low": 0.0}
    runs = {name: {seed: learned(rate, 20, seed, problems=8) for seed in range(12)} for name, rate in rates.items()}
    for name in runs:
        runs[name][11 if name == WIDE else 10] = Summary(failure="exit code 1")
    runs["failed"] = dict.fromkeys(range(12), Summary(failure="exit code 1"))
    return rebuild_comparison(write_comparison(tmp_path_factory.mktemp("extremes") / "c", runs, baseline=WIDE))


@pytest.mark.parametrize("page", [NARROW, PHONE, TABLET, DESKTOP], indirect=True, ids=lambda size: size["width"])
def test_numbers_and_ticks_are_never_cut(page: Page, extremes: Path) -> None:
    page.goto(extremes.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")
    expect(page.locator("#final .number", has_text="(\u2212100.0 to")).to_contain_text(", 10 seeds")
    expect(page.locator("#final .count", has_text="11 of 12 seeds")).to_have_count(4)
    check_words(page)
    screenshot(page, "comparison-extremes")


def test_panels_stand_one_below_the_other_where_two_have_no_room(page: Page, comparison: Path) -> None:
    page.goto(comparison.as_uri())
    finals, differences = page.locator("#final svg.field").all()
    is_narrow = page.evaluate("innerWidth") < 720
    before, behind = box_of(finals), box_of(differences)
    assert (before["x"] == behind["x"]) == is_narrow
    assert (before["y"] == behind["y"]) != is_narrow
    for name in differences.locator("text.name").all():
        expect(name).to_be_visible(visible=is_narrow)


def test_whiskers_end_where_the_ticks_say(page: Page, comparison: Path) -> None:
    """In pixels, against the file of the figure."""
    page.goto(comparison.as_uri())
    middle = "them => them.map(it => { const box = it.getBoundingClientRect(); return box.x + box.width / 2; })"
    grid = page.locator("#final line.grid, #final line.zero").evaluate_all(middle)
    ticks = [float(text.replace("\u2212", "-")) for text in page.locator("#final text.tick").all_text_contents()]
    second = next(place for place in range(1, len(ticks)) if ticks[place] < ticks[place - 1])
    panels = [(ticks[:second], grid[:second]), (ticks[second:], grid[second:])]
    file = (comparison.parent / "figures/final.csv").read_text()
    rows = [row for row in csv.DictReader(file.splitlines()) if not row["seed"]]
    caps = iter(page.locator("#final line.cap").evaluate_all(middle))
    dots = iter(page.locator("#final path.dot").evaluate_all(middle))
    for name, (values, places) in zip(("accuracy", "difference"), panels, strict=True):
        for row in rows:
            if row[name]:
                scale = (places[-1] - places[0]) / (values[-1] - values[0])
                expected = [
                    places[0] + scale * (float(row[f"{name}{end}"]) - values[0]) for end in (" low", " high", "")
                ]
                assert [next(caps), next(caps), next(dots)] == pytest.approx(expected, abs=0.6)
    assert not [*caps, *dots]


def test_long_names_do_not_widen_the_page(page: Page, tmp_path: Path) -> None:
    names = [f"{name}_{'x-y_z.' * 9}"[:40] for name in ("grpo", "spro", "prime", "rloo", "remax", "opo", "ppo", "pure")]
    runs = {name: {seed: learned(0.4 + 0.05 * at, 20, seed) for seed in (0, 1)} for at, name in enumerate(names)}
    runs[names[3]][1] = Summary(failure="exit code 1")
    page.goto(rebuild_comparison(write_comparison(tmp_path / "c", runs)).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")
    check_words(page)
    screenshot(page, "comparison-long-names")


def test_nothing_is_wider_than_the_page(page: Page, comparison: Path) -> None:
    page.goto(comparison.as_uri())
    for details in page.locator("details").all():
        details.evaluate("it => it.open = true")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("window.innerWidth")


def test_a_figure_tells_its_values_to_pointer_and_keyboard(page: Page, comparison: Path) -> None:
    page.goto(comparison.as_uri())
    plot = page.locator("#chart-accuracy-tokens svg.plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("tokens")
    expect(tip).to_contain_text("spro")
    page.mouse.move(0, 0)
    page.locator("#chart-figure1 svg.plot").focus()
    page.keyboard.press("End")
    expect(tip).to_contain_text("step 150")
    for label in ("grpo", "spro", "prime"):
        expect(tip).to_contain_text(label)


def test_tables_can_be_read_aloud_and_scrolled_by_keyboard(page: Page, comparison: Path) -> None:
    page.goto(comparison.as_uri())
    for table in page.locator("#results table").all():
        assert table.locator("thead th:not([scope=col])").count() == 0
        assert table.locator("tbody tr").count() == table.locator("tbody th[scope=row]").count()
        name = table.get_attribute("aria-labelledby")
        assert page.locator(f"#{name}").inner_text()
    for box in page.locator("#results .scroll").all():
        assert box.get_attribute("tabindex") == "0"


def test_what_a_model_or_a_file_is_called_does_nothing(page: Page, tmp_path: Path) -> None:
    def scores(right: str) -> list[Scores]:
        return [Scores(f"{MALICE}{index}", MALICE, (float(mark),), 1.0) for index, mark in enumerate(right)]

    dice = random.Random(0)
    marks = ["".join(dice.choice("01") for _ in range(20)) for _ in range(2)]
    runs = {
        "spro": {0: summary({0: 0.1, 10: 0.5}, scores(marks[0]), collapse=MALICE)},
        "grpo": {0: summary({0: 0.1, 10: 0.5}, scores(marks[1])), 1: Summary(failure=f"exit code 1: {MALICE}")},
    }
    runs["spro"][1] = Summary(failure=MALICE)
    page.goto(rebuild_comparison(write_comparison(tmp_path / "c", runs)).as_uri())
    expect(page.locator("#results")).to_contain_text("<script>document.title='taken'</script>")
    assert page.locator("main img, main script").count() == 0
    assert "taken" not in page.title()
    bold = tmp_path / "bold.yaml"
    bold.write_text("methods: {'<b>x</b>': {credit.type: spro}}\n")
    with pytest.raises(ConfigError, match="names a folder"):
        load_compare(bold)


def test_dark_and_light_differ_and_both_are_readable(page: Page, comparison: Path) -> None:
    def colors() -> tuple[str, str]:
        style = "it => [getComputedStyle(it).color, getComputedStyle(document.body).backgroundColor]"
        ink, paper = page.locator("p.lead").evaluate(style)
        return ink, paper

    page.emulate_media(color_scheme="light")
    page.goto(comparison.as_uri())
    light = colors()
    page.emulate_media(color_scheme="dark")
    dark = colors()
    screenshot(page, "comparison-dark")
    assert light[0] != dark[0]
    assert light[1] != dark[1]
