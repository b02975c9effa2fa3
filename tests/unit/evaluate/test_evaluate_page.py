"""The page says what there is."""

from pathlib import Path

import pytest

from spro.tasks import SUITES
from spro.tasks.suites import HubSuite

PAGE = (Path(__file__).parents[3] / "docs/evaluate.md").read_text()


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_stands_on_the_page(name: str) -> None:
    suite = SUITES[name]
    (row,) = (line for line in PAGE.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
    assert all(title in row.split("|")[2] for title in suite.columns.values())
    assert suite.origin in row
    assert not isinstance(suite, HubSuite) or f"`{suite.hub_id}`, {suite.split}" in row
    assert ("an assumption" in suite.note) == ("assumption" in row)
