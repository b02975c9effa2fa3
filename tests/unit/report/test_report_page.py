import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spro.errors import RunFolderError
from spro.folders import WRITING
from spro.report import write_report


def table_of(page: str, chart: str) -> dict[str, dict[int, str]]:
    """The table behind a figure: by metric key, by step, the text of the cell."""
    figure = re.search(rf'id="chart-{chart}".*?</figure>', page, re.DOTALL)
    assert figure is not None
    heads = re.findall(r"<th scope=\"col\"([^>]*)>", figure[0])[1:]
    keys = [found[1] if (found := re.search(r'data-key="([^"]*)"', head)) else "interval" for head in heads]
    columns: dict[str, dict[int, str]] = {key: {} for key in keys}
    for step, cells in re.findall(r'<tr><th scope="row">(\d+)</th>(.*?)</tr>', figure[0]):
        for key, cell in zip(keys, re.findall(r"<td>(.*?)</td>", cells), strict=True):
            columns[key][int(step)] = cell
    return columns


def test_the_page_is_written_beside_the_run(full: Any) -> None:
    path = write_report(full.path)
    assert path == full.path / "report.html"
    assert not [p for p in full.path.iterdir() if p.name.startswith(WRITING)]
    assert sorted(p.name for p in full.path.iterdir()) == ["config.yaml", "metrics.jsonl", "report.html", "rollouts"]


def test_the_same_run_gives_the_same_page(full: Any, page_of: Callable[[Any], str]) -> None:
    assert page_of(full) == page_of(full)


def test_the_page_is_well_formed_and_names_are_unique(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    tree = parse(page_of(full))
    names = [a["id"] for _, a in tree.elements if "id" in a]
    assert len(names) == len(set(names))
    assert tree.named("html") == [{"lang": "en"}]
    headings = [tag for tag, _ in tree.elements if re.fullmatch("h[1-6]", tag)]
    assert headings.count("h1") == 1
    assert headings[0] == "h1"


def test_nothing_outside_is_addressed(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    page = page_of(full)
    assert "http:" not in page
    assert "https:" not in page
    tree = parse(page)
    assert not [a for _, a in tree.elements if {"src", "href", "xlink:href", "style"} & set(a)]
    assert "url(" not in page
    assert "@import" not in page


def test_the_policy_names_the_very_script_and_style(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    import base64
    import hashlib

    page = page_of(full)
    policy = next(a["content"] for a in parse(page).named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for tag in ("script", "style"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")


def test_the_headline_tells_the_result(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    text = parse(page_of(full)).shown.replace("\u00a0", " ")
    assert "SPRO on chain" in text
    assert "model tiny-chain" in text
    assert "beta 0.05" in text
    assert re.search(
        r"Held-out accuracy13\.6 % \u2192 83\.6 %95 % intervals 9\.9 to 18\.3 %, then 78\.6 to 87\.6 %", text
    )
    assert "256 problems" in text
    assert "21.0 \u2192 17.0" in text
    assert "Steps120" in text
    assert "648,000 response tokens" in text
    assert re.search(r"Wall time[34] min \d+ s", text)


def test_an_interval_stays_within_the_possible(folder: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    folder.metrics([{"step": 0, "eval/accuracy": 0.01, "eval/accuracy_se": 0.02}])
    text = parse(page_of(folder)).shown.replace("\u00a0", " ")
    assert "95 % interval 0.1 to 15.1 %" in text
    assert "one measurement, step 0" in text


@pytest.mark.parametrize(
    ("share", "problems", "words"),
    [
        (0.0, 32, "95 % interval 0.0 to 10.7 %; one measurement, step 0; 32 problems"),
        (1.0, 32, "95 % interval 89.3 to 100.0 %; one measurement, step 0; 32 problems"),
        (0.0, None, "Held-out accuracy0.0 %one measurement, step 0"),
    ],
)
def test_no_accuracy_is_certain(
    folder: Any, page_of: Callable[[Any], str], parse: Any, share: float, problems: int | None, words: str
) -> None:
    folder.metrics([{"step": 0, "eval/accuracy": share, "eval/accuracy_se": 0.0, "eval/problems": problems}])
    assert words in parse(page_of(folder)).shown.replace("\u00a0", " ")


def test_the_interval_is_that_of_a_statistics_library(folder: Any, page_of: Callable[[Any], str]) -> None:
    from scipy.stats import binomtest

    for right, problems in ((1, 40), (20, 40), (170, 512)):
        share = right / problems
        error = (share * (1 - share) / problems) ** 0.5
        folder.metrics([{"step": 0, "eval/accuracy": share, "eval/accuracy_se": error, "eval/problems": problems}])
        low, high = table_of(page_of(folder), "accuracy")["interval"][0].split(" to ")
        expected = binomtest(right, problems).proportion_ci(method="wilson")
        assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), rel=1e-5)


def test_without_held_out_measurements_training_accuracy_leads(
    folder: Any, page_of: Callable[[Any], str], parse: Any
) -> None:
    folder.metrics([{"step": s, "accuracy": s / 10} for s in (1, 2, 3)])
    text = parse(page_of(folder)).shown.replace("\u00a0", " ")
    assert "Training accuracy10.0 % \u2192 30.0 %" in text
    assert "no held-out measurement" in text


def test_ungraded_responses_are_named(folder: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    folder.metrics([{"step": 1, "verify/unscored_fraction": 0.0}, {"step": 2, "verify/unscored_fraction": 0.5}])
    text = parse(page_of(folder)).shown.replace("\u00a0", " ")
    assert "25.0 % of the responses could not be graded (at worst 50.0 % in a step)" in text


def collapsed(step: int, **named: int) -> dict[str, Any]:
    row: dict[str, Any] = {"step": step, "accuracy": 0.4 if step < 9 else 0.1, "watch/collapse_began": None}
    for cause, began in named.items():
        row |= {"watch/collapse_began": began, f"watch/collapse/{cause}": began}
    return row


def test_a_collapse_is_named_with_its_step_its_cause_and_a_remedy(
    folder: Any, page_of: Callable[[Any], str], parse: Any
) -> None:
    folder.metrics([*map(collapsed, range(1, 13)), *(collapsed(s, process_term=9) for s in range(13, 21))])
    text = parse(page_of(folder)).shown.replace("\u00a0", " ")
    assert (
        "The run collapsed at step 9 (recognised at step 13): training accuracy 40.0 % before, 10.0 % at step 20; "
        "likely cause: the process term outgrew the outcome term. To try: lower credit.beta or "
    ) in text
    assert "recovered" not in text


def test_each_collapse_is_named_and_whether_the_run_recovered(
    folder: Any, page_of: Callable[[Any], str], parse: Any
) -> None:
    rows = [collapsed(s, kl=9) if 13 <= s < 16 else collapsed(s) for s in range(1, 31)]
    folder.metrics([*rows, collapsed(31, of_a_later_version=30)])
    text = parse(page_of(folder)).shown.replace("\u00a0", " ")
    assert "10.0 % at step 15; likely cause: the policy went far from the reference. It has recovered since." in text
    assert "The run collapsed at step 30 (recognised at step 31)" in text
    assert "likely cause: of_a_later_version." in text


def test_a_run_without_collapse_says_nothing_of_it(folder: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    folder.metrics(map(collapsed, range(1, 13)))
    assert "collapse" not in parse(page_of(folder)).shown.lower()


def test_what_the_watch_tracks_is_drawn(folder: Any, page_of: Callable[[Any], str]) -> None:
    keys = {"ratio": "watch/process_over_outcome", "repeated": "response/repeated_ngrams", "kl": "kl"}
    folder.metrics({"step": s, **dict.fromkeys(keys.values(), s / 8)} for s in (1, 2, 3))
    page = page_of(folder)
    for chart, key in keys.items():
        assert list(table_of(page, chart)) == [key]


def test_the_config_is_shown_as_text(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    full.config("task: {type: '<b>x</b>'}\ncredit: {type: my_method, note: '\"><script>1</script>'}\n")
    page = page_of(full)
    assert "<b>x" not in page
    assert page.count("<script>") == 1
    assert "my_method on <b>x</b>" in parse(page).shown


@pytest.mark.parametrize(
    "config", ["", "- a list", "just text", "a: [", "task: 3\ncredit: null\nmodel: []", "when: 2024-99-99"]
)
def test_an_odd_config_is_no_obstacle(full: Any, page_of: Callable[[Any], str], parse: Any, config: str) -> None:
    full.config(config)
    assert "demo-spro" in parse(page_of(full)).shown


def test_no_config_no_section(folder: Any, page_of: Callable[[Any], str]) -> None:
    folder.metrics([{"step": 1, "accuracy": 0.5}])
    assert "Resolved config" not in page_of(folder)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: path.rmdir(), "is not a folder"),
        (lambda path: None, "has no metrics.jsonl"),
        (lambda path: (path / "metrics.jsonl").write_text(""), "holds no step yet"),
        (lambda path: (path / "metrics.jsonl").write_text('{"step": 1, "ac'), "holds no step yet"),
        (lambda path: (path / "metrics.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n'), "line 2"),
        (lambda path: (path / "metrics.jsonl").write_text('[1]\n{"step": 3}\n'), "line 1"),
        (lambda path: (path / "metrics.jsonl").write_text('{"accuracy": 1}\n'), "no whole number"),
        (lambda path: (path / "metrics.jsonl").write_text('{"step": true}\n'), "no whole number"),
        (lambda path: (path / "metrics.jsonl").write_text('{"step": -1}\n'), "no whole number"),
        (lambda path: (path / "metrics.jsonl").write_text('{"step": 1' + "0" * 400 + "}\n"), "no whole number"),
        (lambda path: (path / "metrics.jsonl").mkdir(), "has no metrics.jsonl"),
    ],
)
def test_a_broken_folder_is_one_line_with_path_and_remedy(
    folder: Any, prepare: Callable[[Path], object], words: str
) -> None:
    prepare(folder.path)
    with pytest.raises(RunFolderError, match=words) as caught:
        write_report(folder.path)
    message = str(caught.value)
    assert str(folder.path) in message
    assert ": " in message
    assert "\n" not in message


@pytest.mark.skipif(sys.platform == "win32", reason="rights work differently there")
def test_an_unwritable_folder_is_an_error_and_leaves_nothing(full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_report(full.path)
    assert not [name for name in os.listdir(full.path) if "report" in name]


def test_a_half_written_last_line_is_left_out_and_named(
    folder: Any, page_of: Callable[[Any], str], parse: Any, training: Callable[[int], list[dict[str, Any]]]
) -> None:
    folder.metrics(training(20), tail='{"step": 21, "accuracy": 0.')
    page = page_of(folder)
    assert "half written" in page
    assert "stopped after step 20" in parse(page).shown
    assert 21 not in table_of(page, "accuracy")["accuracy"]


def test_a_last_line_cut_within_a_character(folder: Any, page_of: Callable[[Any], str]) -> None:
    (folder.path / "metrics.jsonl").write_bytes(b'{"step": 1, "accuracy": 0.5}\n{"step": 2, "x": "\xe2\x82')
    assert "half written" in page_of(folder)


def test_the_tables_hold_the_metrics(full: Any, page_of: Callable[[Any], str], training: Any) -> None:
    page, rows = page_of(full), training(120)
    charts = {
        "accuracy": ["accuracy", "eval/accuracy"],
        "length": ["response_length/mean", "eval/response_length/mean"],
        "entropy": ["entropy"],
        "credit-spread": ["credit/outcome_std", "credit/msa_std", "credit/advantage_std"],
        "gradient": ["grad_norm"],
        "clip": ["clip_fraction"],
        "filter": ["filter/in_window_fraction"],
        "cap": ["response_length/clip_ratio"],
        "seconds": ["time/step_s"],
    }
    for chart, keys in charts.items():
        table = table_of(page, chart)
        assert set(table) - {"interval"} == set(keys)
        for key in keys:
            expected = {row["step"]: row[key] for row in rows if row.get(key) is not None}
            found = {step: float(cell) for step, cell in table[key].items() if cell}
            assert found == pytest.approx(expected, rel=1e-5)


def test_every_figure_is_named_and_reachable(full: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    tree = parse(page_of(full))
    plots = tree.classes("plot")
    assert len(plots) == 9
    names = {a.get("id") for _, a in tree.elements}
    for plot in plots:
        assert plot["role"] == "img"
        assert plot["tabindex"] == "0"
        assert set((plot["aria-labelledby"] or "").split()) <= names
    assert len(tree.named("desc")) == 9
    assert len(tree.named("table")) == 9


def test_absent_and_unmeasured_metrics_leave_no_frame(folder: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    folder.metrics([{"step": 1, "entropy": None, "loss": 0.1, "grad_norm": float("nan")}, {"step": 2, "entropy": None}])
    page = page_of(folder)
    assert "<figure" not in page
    assert "Curves" not in parse(page).shown


def test_nulls_break_a_line_and_leave_the_cell_empty(folder: Any, page_of: Callable[[Any], str]) -> None:
    values = [1.0, 2.0, None, 3.0, 4.0, None, 5.0]
    folder.metrics({"step": s, "entropy": v, "accuracy": True, "reward": "x"} for s, v in enumerate(values))
    page = page_of(folder)
    assert table_of(page, "entropy")["entropy"][2] == ""
    path = re.search(r'<path d="([^"]*)"', page)
    assert path is not None
    assert path[1].count("M") == 3
    assert "chart-accuracy" not in page


def test_one_step_only(folder: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    folder.metrics([{"step": 0, "eval/accuracy": 0.5, "eval/accuracy_se": 0.1, "eval/response_length/mean": 12.0}])
    page = page_of(folder)
    parse(page)
    assert "nan" not in page.split("<script>")[0].lower().replace("finance", "")
    assert table_of(page, "accuracy")["eval/accuracy"] == {0: "0.5"}


def test_a_resumed_run_counts_its_later_lines(folder: Any, page_of: Callable[[Any], str]) -> None:
    folder.metrics([{"step": 1, "entropy": 1.0}, {"step": 2, "entropy": 2.0}, {"step": 2, "entropy": 7.0}])
    assert table_of(page_of(folder), "entropy")["entropy"] == {1: "1", 2: "7"}


def test_any_method_may_bring_its_terms(folder: Any, page_of: Callable[[Any], str], parse: Any) -> None:
    names = ["a", "b/c", "<i>", "d", "e", "f"]
    folder.metrics({"step": s, **{f"credit/{n}_std": s + 0.5 for n in names}} for s in range(3))
    page = page_of(folder)
    assert len(table_of(page, "credit-spread")) == 6
    assert "<i>" not in re.sub(r"<i class", "", page)
    parse(page)


def test_a_long_run_stays_small(
    folder: Any, page_of: Callable[[Any], str], parse: Any, training: Any, sample: Any
) -> None:
    rows = training(3000)
    rows[1500]["grad_norm"] = 987.0
    folder.config().metrics(rows)
    for step in (10, 3000):
        folder.rollouts(
            step,
            [
                sample(f"p{g}", [f" word{i}" for i in range(3000)], float(m % 2), step=step, seed=m)
                for g in range(3)
                for m in range(8)
            ],
        )
    page = page_of(folder)
    assert len(page.encode()) < 5_000_000
    parse(page)
    table = table_of(page, "gradient")["grad_norm"]
    assert len(table) < 700
    assert {1, 3000} <= set(table)
    assert "steps between are in metrics.jsonl" in page
    # A spike of one step is still drawn although its row is thinned out: the curve touches the top of the frame.
    gradient = page[page.index('id="chart-gradient"') :]
    faint = re.search(r'<path d="([^"]*)" class="line faint', gradient)
    assert faint is not None
    heights = [float(pair.split()[1]) for pair in re.split("[ML]", faint[1])[1:]]
    assert min(heights) < 5
    assert "2,680 tokens left out" in page


def test_held_out_has_the_same_look_with_and_without_training(
    folder: Any, page_of: Callable[[Any], str], parse: Any
) -> None:
    looks = []
    for training in ({}, {"accuracy": 0.25}):
        folder.metrics([{"step": 0, "eval/accuracy": 0.5, **training}])
        heads = parse(page_of(folder)).named("th")
        looks.append(next(a["data-look"] for a in heads if a.get("data-key") == "eval/accuracy"))
    assert looks == ["1", "1"]
