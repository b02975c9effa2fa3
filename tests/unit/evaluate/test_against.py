"""Two evaluations of one suite, with differences worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spro.errors import DataError
from spro.evaluate.against import compare, print_contrast
from spro.evaluate.config import EvalConfig
from spro.evaluate.facts import AskedFacts, DataFacts, Facts, ModelFacts
from spro.evaluate.result import Finished
from spro.evaluate.samples import Answered
from spro.statistics import column_difference, paired_difference
from tests.unit.evaluate.builders import make_problem

FACTS = Facts(
    suite="chain",
    title="Chain arithmetic",
    note="",
    model=ModelFacts("builtin:chain", "0" * 64),
    data=DataFacts("generated", "", "0" * 64, None),
    asked=AskedFacts(3, (), None, 64, 2, 1.0, True, 0, "local"),
    template="none",
    prompts="0" * 64,
    extraction="last",
    versions={},
)


def finished(name: str, problems: Sequence[Answered], samples: int = 2, suite: str = "chain") -> Finished:
    config = EvalConfig.model_validate(
        {"suite": suite, "model": {"path": name}, "samples": samples, "temperature": 1.0}
    )
    facts = replace(FACTS, asked=replace(FACTS.asked, samples=samples))
    return Finished(Path(name), config, tuple(problems), facts)


def test_differences_are_of_the_problems_that_both_have_scored() -> None:
    one = finished(
        "one", [make_problem("a", [1.0, 1.0], 1.0), make_problem("b", [1.0, 0.0]), make_problem("c", [0.0] * 2)]
    )
    other = finished(
        "other", [make_problem("c", [None, None], None), make_problem("b", [0.0, 0.0]), make_problem("a", [1.0, 0.0])]
    )
    contrast = compare(one, other)
    assert contrast.left_out == {"greedy pass@1": 1, "avg@2": 1}
    assert contrast.differences["avg@2"] == {"Chain": paired_difference([[1, 1], [1, 0]], [[1, 0], [0, 0]])}
    assert contrast.differences["greedy pass@1"] == {"Chain": paired_difference([[1], [0]], [[0], [0]])}
    assert contrast.differences["avg@2"]["Chain"].value == 0.5
    assert contrast.differences["avg@2"]["Chain"].n == 2
    assert contrast.warnings == ()


def test_a_problem_whose_question_changed_is_another_problem() -> None:
    changed = make_problem("a", [1.0, 1.0])
    changed = Answered(tuple(replace(sample, question_hash="another") for sample in changed.samples))
    one = finished("one", [changed, make_problem("b", [1.0, 1.0])])
    other = finished("other", [make_problem("a", [0.0] * 2), make_problem("b", [1.0, 1.0])])
    contrast = compare(one, other)
    assert contrast.left_out["avg@2"] == 2
    assert contrast.differences["avg@2"]["Chain"].value == 0.0


def test_the_average_of_columns_weighs_them_alike() -> None:
    def problems(better: float) -> list[Answered]:
        small = [make_problem(f"amc {i}", [better], data_source="numina_amc_aime") for i in range(2)]
        return small + [make_problem(f"math {i}", [0.0], data_source="numina_synthetic_math") for i in range(8)]

    one, other = (finished(name, problems(score), 1, "eurus") for name, score in (("one", 1.0), ("other", 0.0)))
    differences = compare(one, other).differences["avg@1"]
    assert [*differences] == ["AMC", "MATH", "average of columns", "all problems"]
    amc, math_column, average, pooled = differences.values()
    assert (amc.value, math_column.value, average.value, pooled.value) == (1.0, 0.0, 0.5, 0.2)
    sources = ["amc"] * 2 + ["math"] * 8
    table = np.array([[1.0] * 2 + [0.0] * 8])
    assert average == column_difference(table, np.zeros((1, 10)), sources)
    assert (average.p_value < 0.05) == (average.low > 0)
    backwards = compare(other, one).differences["avg@1"]["average of columns"]
    assert (backwards.value, backwards.low, backwards.high) == pytest.approx((-0.5, -average.high, -average.low))
    assert backwards.p_value == pytest.approx(average.p_value)


def test_what_else_differs_is_said() -> None:
    one, other = finished("one", [make_problem("a", [1.0, 1.0])]), finished("other", [make_problem("a", [1.0])], 1)
    facts = replace(other.facts, template="a" * 64, extraction="all_equal")
    contrast = compare(one, replace(other, facts=facts))
    assert [line.partition("model: ")[2] for line in contrast.warnings] == [
        "chat template is none and aaaaaaaaaaaa",
        "extraction (verify.math.boxes) is last and all_equal",
        "samples is 2 and 1",
    ]
    assert "avg@2/1" in contrast.differences


def test_what_cannot_be_compared_is_refused() -> None:
    one = finished("one", [make_problem("a", [1.0, None], None)])
    with pytest.raises(DataError, match=r"'one' is of the suite 'chain', 'other' of 'amc': only answers to the same"):
        compare(one, finished("other", [make_problem("a", [1.0, 1.0])], suite="amc"))
    with pytest.raises(DataError, match="have no problem of which both scored"):
        compare(one, finished("other", [make_problem("b", [1.0, 1.0])]))


def test_the_table_says_whose_difference_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (
        finished(name, [make_problem(str(i), [score, score]) for i in range(20)])
        for name, score in (("one", 1.0), ("other", 0.0))
    )
    print_contrast(one, other, compare(one, other))
    said = capsys.readouterr().out
    assert "avg@2: one minus other, percentage points" in said
    assert "+100.0 [" in said
    assert "<0.0001" in said
