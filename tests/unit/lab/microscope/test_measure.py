"""Measures and disagreements, against loops over plain numbers."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.lab.microscope.disagreement import find_disagreements
from spro.lab.microscope.measure import MEANINGS, SILENT, gather_tokens, measure_methods, opposite_signs
from spro.lab.microscope.truth import ExactTruth, Truth


def ragged(seed: int, rows: int = 12) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], Truth]:
    """Mask with holes, groups of three, a method that knows, one that is noise, one that is constant, and the truth."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, rows)
    mask = (np.arange(8) < lengths[:, None]) & (rng.random((rows, 8)) > 0.15)
    mask[np.arange(rows), 0] = True
    true = np.where(rng.random((rows, 8)) < 0.4, rng.normal(size=(rows, 8)), 0.0) * mask
    constant = np.repeat(rng.normal(size=(rows, 1)), 8, axis=1)
    said = {"knows": true + 0.3 * rng.normal(size=true.shape), "noise": rng.normal(size=true.shape), "flat": constant}
    said = {name: (values * mask).astype(np.float32) for name, values in said.items()}
    values = tuple(tuple(row[:length].tolist()) for row, length in zip(true, lengths, strict=True))
    return mask, np.repeat(np.arange(rows // 3), 3), said, ExactTruth(values)


def ranks(values: list[float]) -> list[float]:
    return [sum(other < one for other in values) + (sum(other == one for other in values) + 1) / 2 for one in values]


def measured(mask: np.ndarray, groups: np.ndarray, said: dict[str, np.ndarray], truth: Truth) -> dict:
    found = measure_methods(gather_tokens(mask, groups, said), truth, mask)
    return {(measure.method, measure.name): measure.agreement for measure in found}


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_against_loops(seed: int) -> None:
    mask, groups, said, truth = ragged(seed)
    found = measured(mask, groups, said, truth)
    for name, values in said.items():
        dust = SILENT * float(np.abs(values[mask]).max())
        tokens = [
            (i, float(values[i, t]) if abs(values[i, t]) > dust else 0.0, truth.values[i][t])
            for i, t in zip(*mask.nonzero(), strict=True)
        ]
        x, y = [x for _, x, _ in tokens], [y for _, _, y in tokens]
        assert found[name, "pearson"].value == pytest.approx(statistics.correlation(x, y), abs=1e-6)
        assert found[name, "spearman"].value == pytest.approx(statistics.correlation(ranks(x), ranks(y)), abs=1e-6)

        def centered(column: int, tokens: list = tokens) -> list[float]:  # type: ignore[type-arg]
            means = {i: statistics.fmean(one[column] for one in tokens if one[0] == i) for i, *_ in tokens}
            return [one[column] - means[one[0]] for one in tokens]

        decisive = [(x, y, inside) for (_, x, y), inside in zip(tokens, centered(1), strict=True) if y != 0]
        assert found[name, "silent"].n == len(decisive)
        told = [(x > 0) == (y > 0) for x, y, _ in decisive if x != 0]
        assert found[name, "sign"].value == pytest.approx(statistics.fmean(told))
        if name == "flat":
            assert found[name, "pearson_inside"].value is None
            assert found[name, "spearman_inside"].value is None
            assert found[name, "sign_inside"].value is None
        else:
            expected = statistics.correlation(centered(1), centered(2))
            assert found[name, "pearson_inside"].value == pytest.approx(expected, abs=1e-6)
            several = [d for d in decisive if abs(d[2]) > dust]
            share = statistics.fmean((inside > 0) == (y > 0) for _, y, inside in several)
            assert found[name, "sign_inside"].value == pytest.approx(share)
    assert {name for _, name in found} == set(MEANINGS)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_the_responses_changes_nothing(seed: int) -> None:
    mask, groups, said, truth = ragged(seed)
    order = np.random.default_rng(seed + 1).permutation(len(mask))
    moved = {name: values[order] for name, values in said.items()}
    before, after = measured(mask, groups, said, truth), measured(mask[order], groups[order], moved, truth.of(order))
    for key, agreement in before.items():
        assert after[key].n == agreement.n
        assert after[key].value == (None if agreement.value is None else pytest.approx(agreement.value, abs=1e-9))
    again = find_disagreements(mask[order], moved, truth.of(order), [["x"] * 8] * len(mask))
    for place, one in zip(order, again, strict=True):
        first = find_disagreements(mask, said, truth, [["x"] * 8] * len(mask))[place]
        assert (one.token, one.sentence) == (first.token, first.sentence)
        assert one.score == pytest.approx(first.score)


def test_a_truth_that_says_nothing_has_no_sign() -> None:
    mask, groups, said, truth = ragged(0)
    mute = ExactTruth(tuple((0.0,) * len(row) for row in truth.values))
    found = measured(mask, groups, said, mute)
    assert {name for _, name in found} == set(MEANINGS)
    assert all(agreement.value is None for agreement in found.values())


def test_rounding_is_silence() -> None:
    mask = np.ones((2, 3), dtype=bool)
    said = {"grpo": np.array([[1.0, 1.0, 1.0], [1e-8, 1e-8, 1e-8]], dtype=np.float32)}
    tokens = gather_tokens(mask, np.array([0, 1]), said)
    assert tokens.advantages["grpo"].tolist() == [1, 1, 1, 0, 0, 0]
    truth = ExactTruth(((0.0, 1.0, 0.0), (0.0, -1.0, 0.0)))
    found = measured(mask, np.array([0, 1]), said, truth)
    assert (found["grpo", "silent"].value, found["grpo", "sign"].value, found["grpo", "sign"].n) == (0.5, 1.0, 1)


def test_opposite_signs_by_hand() -> None:
    mask = np.array([[True, True], [True, False]])
    said = {"a": np.array([[1.0, -1.0], [0.0, 9.0]]), "b": np.array([[-1.0, -1.0], [1.0, -9.0]])}
    shares = opposite_signs(gather_tokens(mask, np.array([0, 0]), said))
    assert shares == [[0, pytest.approx(1 / 3)], [pytest.approx(1 / 3), 0]]


def test_disagreement_by_hand() -> None:
    mask = np.array([[True, True, True], [True, True, False]])
    said = {
        # Root mean squares over the five tokens: 2 and 1.
        "loud": np.array([[2.0, -2.0, 2.0], [2.0, 2.0, 7.0]]),
        "calm": np.array([[1.0, 1.0, -1.0], [1.0, 1.0, 7.0]]),
    }
    truth = ExactTruth(((0.0, -1.0, 1.0), (0.0, 0.0)))
    first, second = find_disagreements(mask, said, truth, [["a", "9\n", "c"], ["a", ""]])
    assert (first.score, first.token) == (4.0, 1)
    assert first.sentence == (
        "At token 2 of 3, \u201c9\n\u201d, the truth is \u22121.00: loud pushes it down (\u22122.00), calm pushes it "
        "up (+1.00)."
    )
    assert (second.score, second.token, second.sentence) == (0.0, None, "")

    # Without a truth every token counts.
    first, second = find_disagreements(mask, said, None, [["a", "9", "c"], ["a", ""]])
    assert (first.score, first.token, second.score, second.token) == (4.0, 1, 0.0, 0)
    assert second.sentence == "At token 1 of 2, \u201ca\u201d, loud pushes it up (+2.00), calm pushes it up (+1.00)."
    (alone, _) = find_disagreements(mask, {"loud": said["loud"]}, truth, [["a", "9", "c"], ["a", ""]])
    assert alone.sentence.endswith("\u201c9\u201d, the truth is \u22121.00: loud pushes it down (\u22122.00).")
