"""The microscope's page in a real browser: switches, linked tokens, keyboard, and text that would rather be markup."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from spro.cli import main
from spro.report import write_microscope
from tests.browser.conftest import screenshot
from tests.e2e.command import SMALL

HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "</script><script>alert(2)</script>",
    "\u202eevil\u202c",
    "\x00\x1b[31m",
    "&lt;b&gt;\n",
    '" onmouseover="alert(3)" x="',
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes of a short run."""
    place = tmp_path_factory.mktemp("microscope")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HF_HUB_OFFLINE", "1")
        assert main(["train", *SMALL, "credit.type=prime", "evaluate.every=0", "run_dir=run"]) == 0
        few = ("prompts=8", "group_size=4", "samples=4", "rollout.max_response_length=40", "shown=6")
        methods = "methods=spro,grpo,prime,vineppo,spro_control_variate"
        assert main(["microscope", "run", *few, methods, "out=looked"]) == 0
    return place / "looked"


def opened(page: Page, folder: Path) -> Locator:
    page.goto((folder / "microscope.html").as_uri())
    return page.locator(".sample").first


def is_in_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_tokens_stand_under_themselves(page: Page, folder: Path) -> None:
    sample = opened(page, folder)
    screenshot(page, "microscope")
    assert is_in_the_window(page)
    strips = sample.locator(".staff").first.locator(".strip")
    assert strips.count() == 7
    lefts = [
        [token.evaluate("token => token.getBoundingClientRect().left") for token in strips.nth(row).locator(".t").all()]
        for row in range(7)
    ]
    assert all(row == lefts[0] for row in lefts)
    # Scrolled sideways, the names stay and the page does not move.
    sample.locator(".stave").evaluate("stave => { stave.scrollLeft = 200; }")
    assert strips.first.locator(".who").evaluate("who => who.getBoundingClientRect().left") >= 0
    assert is_in_the_window(page)


def test_the_first_sentence_leads_to_its_response(page: Page, folder: Path) -> None:
    sample = opened(page, folder)
    link = page.locator(".first a").first
    assert link.inner_text() == sample.locator(".see").inner_text()
    link.click()
    expect(sample).to_be_in_viewport()


def test_pointing_at_a_token_says_what_every_method_says(page: Page, folder: Path) -> None:
    sample = opened(page, folder)
    staff = sample.locator(".staff:has(.mark)")
    staff.locator(".truth .mark").first.hover()
    tip = page.locator("#tip")
    expect(tip).to_be_visible()
    said = tip.inner_text()
    names = [strip.get_attribute("data-name") for strip in staff.locator(".strip").all()]
    assert len(names) == 7
    for name in names:
        assert any(line.startswith(f"{name} ") for line in said.splitlines()), (name, said)
    assert said.startswith("token ")
    assert "msa" in said
    assert "reference" in said
    # The numbers are those of the file.
    lines = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    first = max(lines, key=lambda line: line["disagreement"]["score"])
    at = first["disagreement"]["token"]
    value = first["methods"]["grpo"]["advantages"][at]
    (written,) = [line for line in said.splitlines() if line.startswith("grpo ")]
    assert float(written.removeprefix("grpo ").replace("\u2212", "-")) == pytest.approx(value, rel=5e-3)
    # The same token is outlined in all strips, and nowhere when the pointer leaves.
    expect(staff.locator(".t.on")).to_have_count(7)
    page.mouse.move(1, 1)
    expect(page.locator(".t.on")).to_have_count(0)
    expect(tip).to_be_hidden()


def test_the_keyboard_walks_along_tokens_and_between_methods(page: Page, folder: Path) -> None:
    sample = opened(page, folder)
    sample.locator(".stave [tabindex='0']").focus()
    tip = page.locator("#tip")

    strip = page.locator(".strip:has(:focus)")

    def expect_token(number: int) -> None:
        expect(tip).to_have_text(re.compile(rf"^token {number} of "))

    expect(tip).to_be_visible()
    _, begin, _, last, *_ = tip.inner_text().split()
    expect(strip).to_have_attribute("data-name", re.compile("^truth"))
    page.keyboard.press("ArrowLeft")
    expect_token(int(begin) - 1)
    page.keyboard.press("Home")
    expect_token(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect_token(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(strip).to_have_attribute("data-name", "spro")
    expect_token(3)
    page.keyboard.press("ArrowUp")
    expect(strip).not_to_have_attribute("data-name", "spro")
    page.keyboard.press("End")
    expect_token(int(last))
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    # One stop a response.
    expect(sample.locator("[tabindex='0']")).to_have_count(1)


def test_the_captions_of_wide_tables_can_be_read(page: Page, folder: Path) -> None:
    page.goto((folder / "microscope.html").as_uri())
    captions = page.locator(".whiskers caption span")
    boxes = [box for one in captions.all() if (box := one.bounding_box())]
    assert len(boxes) == captions.count() > 0
    assert page.viewport_size
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"] for box in boxes)


def test_switches(page: Page, folder: Path) -> None:
    sample = opened(page, folder)
    spro, grpo = (sample.locator(f".strip[data-name='{name}']").first for name in ("spro", "grpo"))

    def colours(strip: Locator) -> list[str]:
        return [str(token.get_attribute("class")).split()[1] for token in strip.locator(".t").all()]

    before = colours(spro)
    page.get_by_label("grpo", exact=False).uncheck()
    expect(grpo).to_be_hidden()
    expect(page.locator(".strip[data-name='grpo']:visible")).to_have_count(0)
    expect(spro).to_be_visible()
    page.get_by_label("grpo", exact=False).check()
    expect(grpo).to_be_visible()

    page.locator("#quantity").select_option("msa")
    expect(page.locator(".key:has-text('grpo') .at")).to_have_text("no such term")
    assert colours(spro) != before
    assert set(colours(grpo)) == {"absent"}
    page.locator("#quantity").select_option("total advantage")
    expect(page.locator(".key:has-text('grpo') .at")).not_to_have_text("no such term")
    assert colours(spro) == before

    note = page.locator("#scale-note")
    page.get_by_label("one scale for all methods").check()
    expect(note).to_contain_text("all methods on one scale")
    assert len({label.inner_text() for label in page.locator(".at").all()}) == 1
    page.get_by_label("one scale for all methods").uncheck()
    expect(note).to_contain_text("each method on its own scale")
    assert colours(spro) == before
    assert is_in_the_window(page)


def test_without_a_script_the_page_is_there(browser, folder: Path) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "microscope.html").as_uri())
    expect(page.locator(".scripted")).to_be_hidden()
    page.locator("#show1").uncheck()
    expect(page.locator(".strip.m1").first).to_be_hidden()
    assert page.locator(".strip.m0 .t[class*='plus'], .strip.m0 .t[class*='minus']").count() > 0
    context.close()


def test_text_of_a_model_is_text(page: Page, folder: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    first = max(lines, key=lambda line: line["disagreement"]["score"])
    first["tokens"][: len(HOSTILE)] = HOSTILE
    first |= {"prompt": HOSTILE[0], "problem_id": HOSTILE[1], "ground_truth": HOSTILE[5]}
    first["verdict"]["extracted"] = HOSTILE[0]
    first["disagreement"]["sentence"] = f"At {HOSTILE[0]}{HOSTILE[2]}{HOSTILE[4]}"
    for name in ("measures.json", "config.yaml"):
        (tmp_path / name).write_text((folder / name).read_text().replace("step 3 of run", HOSTILE[0].replace('"', "'")))
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_microscope(tmp_path)
    sample = opened(page, tmp_path)
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    shown = [token.inner_text() for token in sample.locator(".strip[data-name='spro'] .t").all()[: len(HOSTILE)]]
    assert shown[:2] == list(HOSTILE[:2])
    assert shown[2] == "\u27e8U+202E\u27e9evil\u27e8U+202C\u27e9"
    assert shown[3] == "\u27e8U+0000\u27e9\u27e8U+001B\u27e9[31m"
    assert shown[4] == "&lt;b&gt;\u23ce"
    for index in range(len(HOSTILE)):
        sample.locator(".strip[data-name='spro'] .t").nth(index).hover()
        expect(page.locator("#tip")).to_contain_text(shown[index])
    assert is_in_the_window(page)
    screenshot(page, "microscope-hostile")
