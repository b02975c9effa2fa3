import re
from collections.abc import Callable
from typing import Any

import pytest

from spro.report.rollouts import read_groups
from spro.report.tokens import level_of, scale_of

MALICIOUS = [
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "\u202eabc",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\x00\x1b[31m\x7f\x85",
    "\ud800",
    "\udfff\ud83d",
    "\U000e0041",
    "\uffff",
    "\r\n",
    "",
]
METRICS = [{"step": 1, "accuracy": 0.5}]


def test_a_malicious_response_is_only_text(folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any) -> None:
    everywhere = "".join(MALICIOUS)
    folder.metrics(METRICS).config(f"task: {{type: {'x' * 5}}}\n# </pre><script>alert(1)</script>\n")
    verdict = {"score": 0.0, "status": everywhere, "extracted": everywhere, "detail": everywhere}
    changes = dict.fromkeys(("prompt", "ground_truth", "response", "finish_reason"), everywhere)
    line = sample(everywhere, MALICIOUS, 0.0, verdict=verdict, **changes)
    line["terms"][everywhere] = line["advantages"]
    folder.rollouts(1, [line])
    page = page_of(folder)
    tree = parse(page)
    assert not tree.named("img")
    assert len(tree.named("script")) == 1
    assert not [name for _, attributes in tree.elements for name in attributes if name.startswith("on")]
    assert "</script><img src=x onerror=alert(1)>" in tree.shown
    assert "\u27e8U+202E\u27e9abc" in tree.shown
    assert "\u27e8U+D800\u27e9" in tree.shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", page)


def test_every_token_carries_its_numbers(folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any) -> None:
    line = sample("p", ["a", "b"], 1.0)
    line |= {"advantages": [0.5, -1.25], "terms": {"outcome": [0.5, 0.5], "msa": [0.0, -1.75]}}
    line |= {"old_log_probs": [-0.25, -2.0], "ref_log_probs": [-0.5, None]}
    folder.metrics(METRICS).rollouts(1, [line])
    first, second = parse(page_of(folder)).classes("token")
    assert (first["title"] or "").split("\n") == [
        "token 1 of 2",
        "total advantage +0.500",
        "outcome +0.500",
        "msa 0",
        "old log-prob \u22120.250",
        "ref log-prob \u22120.500",
    ]
    assert first["data-v"] == "0.5 0.5 0"
    assert second["data-v"] == "-1.25 0.5 -1.75"
    assert (first["tabindex"], second["tabindex"]) == ("0", "-1")
    assert first["class"] == "token plus3"
    assert second["class"] == "token minus7"
    assert "ref log-prob" not in (second["title"] or "")


def test_a_tools_tokens_are_shown_as_such_without_a_number(
    folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any
) -> None:
    line = sample("p", ["1", "=", "9", "#"], 1.0, response_mask=[True, True, False])
    # What stands at a tool's token says nothing, whatever it is.
    line |= {"advantages": [0.5, -1.0, 77.0, 0.25], "terms": {"outcome": 3.0, "msa": [0.0, 0.0, -88.0, 0.0]}}
    tree = parse(page_of(folder.metrics(METRICS).rollouts(1, [line])))
    tokens = tree.classes("token")
    assert ["data-tool" in token for token in tokens] == [False, False, True, False]
    assert (tokens[2]["title"] or "").split("\n") == ["token 3 of 4", "written by a tool"]
    assert (tokens[2]["class"], tokens[2]["data-v"]) == ("token zero", "- - -")
    assert tree.classes("group")[0]["data-scales"] == "1 3 0"
    assert "4 tokens, 1 of them a tool's" in tree.shown
    assert "Dotted tokens are a tool's" in tree.shown


@pytest.mark.parametrize("mask", [None, [True, True], [True], "junk", [1, None]])
def test_where_no_tool_wrote_nothing_is_said_of_tools(
    folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any, mask: object
) -> None:
    page = page_of(folder.metrics(METRICS).rollouts(1, [sample("p", ["a", "b"], 1.0, response_mask=mask)]))
    tree = parse(page)
    assert not any("data-tool" in token for token in tree.classes("token"))
    assert "tool's" not in tree.shown


def test_newlines_are_seen_and_break(folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any) -> None:
    folder.metrics(METRICS).rollouts(1, [sample("p", ["a", "\n", "b"], 1.0)])
    assert "a\u23ce\nb" in parse(page_of(folder)).shown


def test_the_scale_is_symmetrical_and_shared_in_a_group(
    folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any
) -> None:
    strong = sample("p", ["a"], 1.0, advantages=[2.0], terms={"msa": [0.25]})
    weak = sample("p", ["a"], 0.0, advantages=[-1.0], terms={"msa": [-0.125]})
    folder.metrics(METRICS).rollouts(1, [strong, weak])
    tree = parse(page_of(folder))
    assert [t["class"] for t in tree.classes("token")] == ["token plus7", "token minus4"]
    assert tree.classes("group")[0]["data-scales"] == "2 0.25"
    assert "\u2264\u22122\u2265+2" in tree.shown


def test_a_select_offers_every_term(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    tree = parse(page_of(full))
    assert [option["value"] for option in tree.named("option")] == ["total advantage", "outcome", "msa"]
    # Without the script that makes it work it would be a broken promise.
    assert "hidden" in tree.classes("choice")[0]


def test_verdicts_are_words(folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any) -> None:
    folder.metrics(METRICS).rollouts(
        1,
        [
            sample("p", ["6"], 1.0),
            sample("p", ["7"], 0.0),
            sample("p", ["8"], 0.5),
            sample("p", ["9"], None, finish_reason="length"),
            sample("p", ["1"], 0.0, status="no_answer"),
        ],
    )
    text = parse(page_of(folder)).shown
    for words in ("\u2713 correct", "\u2717 wrong", "\u25d0 partial", "score 0.500", "? unscored", "? no answer"):
        assert words in text
    assert "ended by length" in text
    assert "1 of 5 correct" in text


def test_mixed_groups_come_first_and_an_early_step_for_comparison(full: Any) -> None:
    groups = read_groups(full.path / "rollouts")
    assert [(g.step, g.problem_id) for g in groups] == [
        (120, "chain-17"),
        (120, "chain-9"),
        (120, "chain-12"),
        (10, "chain-17"),
    ]


def test_a_large_group_is_cut_with_both_outcomes(
    folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any
) -> None:
    folder.metrics(METRICS).rollouts(1, [sample("p", ["a"], float(i == 15), seed=i) for i in range(16)])
    tree = parse(page_of(folder))
    assert [a["data-status"] for a in tree.classes("badge")] == ["wrong"] * 5 + ["correct"]
    assert "1 of 16 correct, 6 shown" in tree.shown


@pytest.mark.parametrize("make", [lambda r: None, lambda r: r.mkdir(), lambda r: r.write_text("x")])
def test_missing_rollouts_leave_the_section_out(
    folder: Any, page_of: Callable[[Any], str], make: Callable[[Any], object]
) -> None:
    folder.metrics(METRICS)
    make(folder.path / "rollouts")
    assert "Where the credit goes" not in page_of(folder)


def test_a_half_written_rollout_falls_back_to_the_one_before(folder: Any, sample: Any) -> None:
    folder.rollouts(10, [sample("p", ["a"], 1.0)]).rollouts(20, [], tail='{"step": 20, "pro')
    (folder.path / "rollouts" / "step-notes.jsonl").write_text("no rollout")
    assert [g.step for g in read_groups(folder.path / "rollouts")] == [10]


def test_odd_records_are_shown_as_far_as_they_go(
    folder: Any, page_of: Callable[[Any], str], parse: Any, sample: Any
) -> None:
    odd: list[dict[str, Any]] = [
        {"problem_id": 3},
        {"problem_id": 3, "response": "plain <text>"},
        sample("3", ["a", "b", "c"], 1.0, advantages=[1.0], ref_log_probs=None, terms=None, verdict=None),
        sample("3", ["a"], 1.0, advantages=["x", float("inf")], terms={"outcome": 0.5}) | {"tokens": ["a", 5]},
    ]
    folder.metrics(METRICS).rollouts(1, odd)
    text = parse(page_of(folder)).shown
    assert "plain <text>" in text
    assert "empty response" in text
    assert "no verdict" in text


def test_the_scale_ignores_dust_and_survives_outliers() -> None:
    assert scale_of([(1e-9, -1e-8)]) == 0.0
    assert scale_of([(None,), ()]) == 0.0
    assert scale_of([(0.0,) * 999, (3.0,)]) == 3.0
    assert scale_of([(1.0,) * 990, (-50.0,)]) == 1.0
    assert scale_of([(0.1234,)]) == pytest.approx(0.13)


def test_levels_are_odd_about_zero() -> None:
    assert level_of(0.0, 1.0) == level_of(None, 1.0) == level_of(5.0, 0.0) == 0
    for value in (0.05, 0.08, 0.5, 0.999, 1.0, 7.0):
        assert level_of(value, 1.0) == -level_of(-value, 1.0)
    assert level_of(9.0, 1.0) == 7
