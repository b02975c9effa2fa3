"""``microscope.html``: the same responses as several methods see them.

microscope_folder    what the files hold
microscope_measures  how well each method goes with a truth
microscope_strips    one response, token under token
"""

from pathlib import Path

from spro.report.files import write_file
from spro.report.microscope_folder import Microscope, read_microscope
from spro.report.microscope_measures import render_measures, render_opposites
from spro.report.microscope_strips import Scales, find_scales, pick_samples, quantities, render_sample
from spro.report.page import document, package_file
from spro.report.text import DOT, exact, one_line, percent, safe, short, signed, tag
from spro.report.tokens import LEVELS, level_class

FIRST = 3
"""Sentences at the top."""
HOW_TO_READ = (
    "The exact truth asks what a reader would arrive at who takes each line as it stands and goes on without a "
    "mistake: \u22121 is the token that turns the response wrong, +1 one that turns it right again. It does not depend "
    "on the policy. The continued truth does: it is how much a step changes the share of continuations by this very "
    "policy that end right, and so it sees what a mistake costs a policy that might have made others later, or mend "
    "it. All tokens of a step share its number. A method that says the same of every token of a response cannot be "
    "right or wrong inside it; whether it blames the right response is what the correlation over all tokens tells. A "
    "method with a good sign on the few tokens that decide may still push all innocent ones: look at the strips."
)


def write_microscope(folder: Path) -> Path:
    """Write ``microscope.html`` into a folder of ``spro microscope``, from its files alone.

    Returns:
        The path of the page, which is whole or the one of before.

    Raises:
        RunFolderError: a file is missing or damaged, or the folder cannot be written to.
    """
    page = render_microscope(read_microscope(folder))
    return write_file(folder / "microscope.html", page.encode())


def render_microscope(microscope: Microscope) -> str:
    """The page as text; the same files give the same page."""
    body = _headline(microscope) + render_measures(microscope) + _samples(microscope)
    body += render_opposites(microscope) + _reading(microscope)
    name = f"Credit microscope - {microscope.facts.name}"
    return document(name, body, extra_style=_style(microscope), script=package_file("microscope.js"))


def _headline(microscope: Microscope) -> str:
    facts = microscope.facts
    split = "never trained on" if facts.split == "held_out" else "of the training set"
    kicker = tag("p", "Credit microscope", class_="kicker")
    title = tag("h1", safe(facts.policy))
    settings = DOT.join(
        (
            f"reference: {safe(facts.reference)}",
            f"task {safe(facts.task)}",
            f"{facts.groups:,} problems {split}",
            f"{facts.responses:,} responses, {safe(percent(facts.accuracy))} right",
            f"{facts.tokens:,} tokens",
            f"log-ratio to the reference {safe(signed(facts.mean_log_ratio))} nats a token",
        )
    )
    notices = "".join(tag("p", safe(note), class_="notice") for note in microscope.notes)
    left_out = "".join(
        tag("p", f"Left out: {tag('b', safe(name))} {safe(why)}.", class_="notice left-out")
        for name, why in microscope.left_out
    )
    first = [(n, s.sentence) for n, s in enumerate(microscope.samples[:FIRST], 1) if s.sentence]
    links = "".join(tag("li", tag("a", safe(one_line(sentence)), href=f"#r{number}")) for number, sentence in first)
    look = tag("div", tag("h2", "Look at these first") + tag("ol", links), class_="first") if first else ""
    return tag("header", kicker + title + tag("p", settings, class_="settings") + notices + look + left_out)


def _samples(microscope: Microscope) -> str:
    samples = pick_samples(microscope)
    if not samples:
        return ""
    scales = find_scales(microscope, samples)
    left = len(microscope.samples) - len(samples)
    more = f" {left:,} further responses are in rollouts.jsonl." if left else ""
    below, speaks = (", below the truth", ", where the truth speaks,") if microscope.truths else ("", "")
    intro = tag(
        "p",
        "Blue tokens are made more likely, orange ones less likely; the strips of a response hold the same tokens, one "
        f"under another{below}. The responses on which methods are farthest apart{speaks} come first.{more} Point at a "
        "token for its numbers; with the keyboard, enter a response and use the arrow keys.",
        class_="intro",
    )
    cards = "".join(render_sample(sample, number, microscope, scales) for number, sample in enumerate(samples, 1))
    return tag(
        "section",
        tag("h2", "Where they disagree most") + intro + _controls(microscope, scales) + cards,
        id="credit",
        data_own=";".join(" ".join(exact(value) for value in of.values()) for of in scales.own.values()),
        data_common=" ".join(exact(value) for value in scales.common.values()),
    )


def _controls(microscope: Microscope, scales: Scales) -> str:
    """Which methods are shown, which quantity, on which scale; boxes work without the script."""
    total = next(iter(scales.common))
    boxes = "".join(
        tag(
            "label",
            f'<input type="checkbox" id="show{index}" checked>{safe(method.name)}'
            + tag("small", f"\u00b1{safe(short(scales.own[method.name][total]))}", class_="at"),
            class_="key",
        )
        for index, method in enumerate(microscope.methods)
    )
    options = "".join(tag("option", safe(name), value=name) for name in quantities(microscope.methods))
    select = tag("label", f"Colour by {tag('select', options, id='quantity')}", class_="key")
    scale = tag("label", '<input type="checkbox" id="common">one scale for all methods', class_="key")
    scripted = tag("span", select + scale, class_="scripted", hidden=True)
    swatches = "".join(tag("i", class_=level_class(level)) for level in range(-LEVELS, LEVELS + 1))
    ramp = tag(
        "p",
        tag("span", "less likely")
        + tag("span", swatches, class_="swatches", aria_hidden="true")
        + tag("span", "more likely")
        + tag("span", "each method on its own scale, the number beside its name", id="scale-note"),
        class_="ramp",
    )
    keys = tag("div", boxes, class_="methods", role="group", aria_label="Methods that are shown")
    return tag("div", keys + scripted + ramp, class_="controls")


def _reading(microscope: Microscope) -> str:
    text = tag(
        "section", tag("h2", "How to read this page") + tag("p", safe(HOW_TO_READ), class_="prose"), id="reading"
    )
    settings = tag(
        "pre", safe(microscope.config_text), class_="scroll", tabindex=0, role="region", aria_label="config.yaml"
    )
    return text + tag("section", tag("details", tag("summary", "Settings") + settings), id="config")


def _style(microscope: Microscope) -> str:
    hidden = (
        f"main:has(#show{index}:not(:checked)) .m{index} {{ display: none; }}"
        for index in range(len(microscope.methods))
    )
    return "\n".join([package_file("microscope.css"), *hidden])
