"""A real run's page in a real browser: opened from disk, pointed at, driven by keyboard, a hostile response in it."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from spro.report.chart import Chart, Frame, Line, Series, render_chart
from spro.report.page import document, package_file
from tests.browser.conftest import Complaints, screenshot
from tests.e2e.command import SMALL, spro

EVIL = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\u202egnp.exe",
    "\x00",
    "\x1b[31mred\x1b[0m",
    '" onfocus="alert(3)',
    "<b>\n</b>",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of four trained steps, of which the last has a response that means harm."""
    where = tmp_path_factory.mktemp("report")
    trained = spro(
        "train", *SMALL, "train.steps=4", "task.held_out_problems=32", "evaluate.every=2", "run_dir=run", cwd=where
    )
    assert trained.returncode == 0, trained.stderr
    rollouts = max((where / "run" / "rollouts").iterdir())
    lines = rollouts.read_text().splitlines()
    hostile = json.loads(lines[0]) | {"group": 99, "problem_id": EVIL[0], "response": "".join(EVIL), "tokens": EVIL}
    right = hostile | {"verdict": {"score": 1.0, "status": "correct", "extracted": EVIL[1], "detail": EVIL[2]}}
    wrong = hostile | {"verdict": {"score": 0.0, "status": "wrong", "extracted": EVIL[3], "detail": EVIL[4]}}
    rollouts.write_text("\n".join([json.dumps(right), json.dumps(wrong), *lines]) + "\n")
    written = spro("report", "run", cwd=where)
    assert written.returncode == 0, written.stderr
    return where / "run" / "report.html"


@pytest.fixture
def opened(page: Page, report: Path) -> Page:
    page.goto(report.as_uri())
    return page


def tip(page: Page) -> Locator:
    return page.locator("#tip")


def plot(page: Page, name: str) -> Locator:
    return page.locator(f"#chart-{name} svg.plot")


def expect_step(page: Page, step: int) -> None:
    expect(tip(page)).to_have_text(re.compile(rf"^step {step}\n"))


def test_every_curve_is_there_and_has_a_name(opened: Page) -> None:
    figures = opened.locator("figure.chart")
    assert figures.count() >= 8
    for figure in figures.all():
        assert figure.locator("path.line").count() >= 1
        for path in figure.locator("path.line").all():
            assert re.match(r"M[\d.-]+ [\d.-]+L", path.get_attribute("d") or "")
        box = figure.locator("svg.plot").bounding_box()
        assert box is not None
        assert box["width"] > 150
        heading = figure.locator("h3").inner_text()
        expect(figure.locator("svg.plot")).to_have_accessible_name(re.compile(re.escape(f"{heading} by step")))
    screenshot(opened, "report-light")


def test_pointing_at_a_figure_tells_its_values_and_moves_the_cursor_of_all(opened: Page) -> None:
    expect(tip(opened)).to_be_hidden()
    plot(opened, "entropy").hover()
    expect(tip(opened)).to_be_visible()
    expect(tip(opened)).to_have_text(re.compile(r"^step \d\ntraining: 0\.\d"))
    expect(opened.locator("line.cursor")).to_have_count(opened.locator("figure.chart").count())
    box = tip(opened).bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= (opened.viewport_size or {"width": 0})["width"]
    opened.locator("h1").hover()
    expect(tip(opened)).to_be_hidden()
    expect(opened.locator("line.cursor")).to_have_count(0)


def test_a_figure_is_read_by_keyboard(opened: Page) -> None:
    opened.keyboard.press("Tab")
    plot(opened, "accuracy").focus()
    expect(tip(opened)).to_be_visible()
    expect_step(opened, 4)
    expect(tip(opened)).to_contain_text("held-out")
    opened.keyboard.press("ArrowLeft")
    expect_step(opened, 3)
    opened.keyboard.press("Home")
    expect_step(opened, 0)
    opened.keyboard.press("Escape")
    expect(tip(opened)).to_be_hidden()


def test_the_tab_key_reaches_every_figure_table_and_response(opened: Page) -> None:
    wanted = opened.locator("svg.plot, summary, .tokens .token[tabindex='0'], #quantity").count()
    reached = set()
    for _ in range(wanted * 2 + 20):
        opened.keyboard.press("Tab")
        reached.add(
            opened.evaluate(
                "(() => { const e = document.activeElement; const all = [...document.querySelectorAll("
                "\"svg.plot, summary, .tokens .token[tabindex='0'], #quantity\")]; return all.indexOf(e); })()"
            )
        )
    assert set(range(wanted)) <= reached


def test_a_token_tells_its_numbers_to_pointer_and_keyboard(opened: Page) -> None:
    response = opened.locator(".group").nth(1).locator(".tokens").first
    response.locator(".token").nth(1).hover()
    expect(tip(opened)).to_contain_text(re.compile("token 2 of .*total advantage", re.DOTALL))
    opened.mouse.move(1, 1)
    opened.keyboard.press("Tab")
    response.locator(".token").first.focus()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowRight")
    expect(tip(opened)).to_contain_text("token 3 of")
    opened.keyboard.press("Tab")
    expect(tip(opened)).not_to_contain_text("token 3 of")


def colours(page: Page) -> list[str]:
    script = "tokens => tokens.map(token => getComputedStyle(token).backgroundColor)"
    found: list[str] = page.locator(".token").evaluate_all(script)
    return found


def test_the_choice_of_a_term_recolours_the_tokens(opened: Page) -> None:
    total = colours(opened)
    assert len(set(total)) > 2
    choice = opened.get_by_label("Colour by")
    choice.select_option("msa")
    assert colours(opened) != total
    choice.select_option("total advantage")
    assert colours(opened) == total


def test_a_hostile_response_is_text_and_does_nothing(opened: Page) -> None:
    tokens = opened.locator(".group").first.locator(".tokens").first
    text = tokens.inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    assert "</script><script>alert(2)</script>" in text
    assert "\u27e8U+202E\u27e9gnp.exe" in text
    assert "\u27e8U+0000\u27e9\u27e8U+001B\u27e9[31mred" in text
    expect(tokens).to_be_visible()
    for token in tokens.locator(".token").all():
        token.hover()
    assert opened.locator("img").count() == 0
    assert opened.locator("script").count() == 1
    assert opened.locator("[onfocus], [onerror]").count() == 0


def test_nothing_is_wider_than_the_window(opened: Page) -> None:
    for summary in opened.locator("summary").all():
        summary.click()
    assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_dark_is_another_set_of_colours(opened: Page) -> None:
    def seen() -> tuple[str, str, str]:
        look = opened.locator("path.line.look0").first.evaluate("e => getComputedStyle(e).stroke")
        paper, ink = (
            opened.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")
        )
        return look, paper, ink

    light = seen()
    opened.emulate_media(color_scheme="dark")
    assert all(one != other for one, other in zip(light, seen(), strict=True))
    screenshot(opened, "report-dark")


def test_the_values_of_a_figure_are_saved_as_csv(opened: Page) -> None:
    figure = opened.locator("#chart-accuracy")
    figure.locator("summary").click()
    with opened.expect_download() as caught:
        figure.get_by_role("button", name="CSV").click()
    assert caught.value.suggested_filename == "accuracy.csv"
    rows = list(csv.DictReader(io.StringIO(Path(caught.value.path()).read_text())))
    assert [row["step"] for row in rows] == ["0", "1", "2", "3", "4"]
    cells = figure.locator("tbody tr").first.locator("td").all_inner_texts()
    assert rows[0]["held-out"] == cells[1]
    assert f"{rows[0]['held-out, 95 % interval low']} to {rows[0]['held-out, 95 % interval high']}" == cells[2]


def test_without_a_script_the_page_is_complete(browser: Browser, report: Path, complaints: Complaints) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    complaints.watch(page)
    page.goto(report.as_uri())
    expect(page.locator("#chart-accuracy path.line").first).to_be_visible()
    expect(page.get_by_label("Colour by")).to_be_hidden()
    page.locator("#chart-accuracy summary").click()
    expect(page.locator("#chart-accuracy table")).to_be_visible()
    context.close()


def test_figures_of_several_axes_share_a_cursor_with_their_own_kind(page: Page, tmp_path: Path) -> None:
    def chart(name: str, frame: Frame, places: tuple[float, ...]) -> str:
        values = tuple(index / 10 for index in range(len(places)))
        line = Line(
            "a", "a", Series(places, values), 0, spans={p: (v, v + 0.1) for p, v in zip(places, values, strict=True)}
        )
        return render_chart(Chart(name, name, "unit", (line,), frame))

    flops, tokens = Frame((0.0, 1.5e15), 0, "FLOPs"), Frame((0.0, 12.3), 0, "tokens, millions")
    body = chart("a", flops, (0.0, 5e14, 1.5e15)) + chart("b", flops, (0.0, 1.25e15)) + chart("c", tokens, (0.5, 12.3))
    path = tmp_path / "page.html"
    path.write_text(document("axes", f"<h1>axes</h1>{body}", script=package_file("page.js")))
    page.goto(path.as_uri())
    page.keyboard.press("Tab")
    plot(page, "a").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(tip(page)).to_have_text("FLOPs 5e14\na: 0.1\na, 95 % interval: 0.1 to 0.2")
    assert [page.locator(f"#chart-{name} line.cursor").count() for name in "abc"] == [1, 1, 0]
    plot(page, "c").focus()
    expect(tip(page)).to_contain_text("tokens 12.3 millions\n")
    assert [page.locator(f"#chart-{name} line.cursor").count() for name in "abc"] == [0, 0, 1]
    assert "1.5e15" in plot(page, "a").text_content().split("FLOPs")[-1]
