"""The page of a comparison in a real browser."""

import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from spro.errors import ConfigError
from spro.lab.compare import rebuild_comparison
from spro.lab.compare.config import load_compare
from spro.lab.compare.summary import Scores, Summary
from tests.browser.conftest import screenshot
from tests.unit.lab.compare.examples import summary, usual, write_comparison

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
