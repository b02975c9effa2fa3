"""Metrics under the names of the hosts."""

import re
from pathlib import Path

import pytest

from spro.sinks import renamed
from spro.sinks.names import TRL, VERL

PAGE = Path(__file__).parents[3] / "docs/naming.md"


def test_what_was_not_measured_is_left_out() -> None:
    assert renamed({"loss": 0.5, "kl": None}, "spro") == {"loss": 0.5}


def test_a_metric_without_a_name_there_keeps_ours() -> None:
    ours = {"loss": 0.5, "watch/last_good_step": 3.0, "rewards/length/mean": 1.0, "tokens": 7.0}
    assert renamed(ours, "spro") == ours
    assert renamed(ours, "trl") == {
        "train/loss": 0.5,
        "watch/last_good_step": 3.0,
        "train/rewards/length/mean": 1.0,
        "tokens": 7.0,
    }
    assert renamed(ours, "verl") == {
        "actor/loss": 0.5,
        "watch/last_good_step": 3.0,
        "rewards/length/mean": 1.0,
        "tokens": 7.0,
    }


@pytest.mark.parametrize("names", [TRL, VERL])
def test_no_two_metrics_get_one_name(names: dict[str, str]) -> None:
    assert len(set(names.values())) == len(names)
    assert not set(names.values()) & set(names)


def named_on_the_page() -> set[str]:
    """Names of the table of metrics, ``a``, ``/b`` among them written out."""
    found: set[str] = set()
    for line in PAGE.read_text().partition("## Metrics")[2].partition("\n## ")[0].splitlines():
        stem = ""
        for name in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
            full = stem.rpartition("/" if name.startswith("/") else "_")[0] + name if name[0] in "/_" else name
            stem = stem if name[0] in "/_" else name
            found.add(full)
    return found


@pytest.mark.parametrize("names", [TRL, VERL])
def test_every_metric_of_the_tables_is_one_of_the_page(names: dict[str, str]) -> None:
    assert set(names) <= named_on_the_page()


def test_the_page_says_the_names_of_the_hosts() -> None:
    lines = PAGE.read_text().partition("## The same in TRL and verl")[2].splitlines()
    rows = [[cell.strip(" |`") for cell in line.split(" | ")] for line in lines if line.startswith("| `")]
    patterned = ["rewards/<name>/mean", "train/rewards/<name>/mean", "-"]
    assert rows.pop() == patterned
    assert {ours: trl for ours, trl, _ in rows if trl != "-"} == TRL
    assert {ours: verl for ours, _, verl in rows if verl != "-"} == VERL
