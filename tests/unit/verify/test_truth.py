import json

import pytest

from spro.verify.math.truth import MAX_TRUTH_LENGTH, MathTruth


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("42", ("42",)),
        (" $42$. ", ("42",)),
        (r"\boxed{42}", ("42",)),
        ("$69$,$84$", ("$69$,$84$",)),
        ("9 * 2 = 18\n#### 18", ("18",)),
        (r"\{1, 2\}", (r"\{1, 2\}",)),
        (r"{1 \over 2}", (r"{1 \over 2}",)),
    ],
)
def test_latex(text, answers):
    truth = MathTruth.read(text)
    assert (truth.answers, truth.unit, truth.tolerance) == (answers, "", 0.0)


@pytest.mark.parametrize(
    ("fields", "unit", "tolerance"),
    [
        ({}, "", 0.0),
        ({"unit": "km"}, "km", 0.0),
        ({"unit": None, "tolerance": None}, "", 0.0),
        ({"tolerance": "1e-1"}, "", 0.1),
        ({"tolerance": 2}, "", 2.0),
    ],
)
def test_object(fields, unit, tolerance):
    truth = MathTruth.read(" " + json.dumps({"answers": ["1", "2"], **fields}))
    assert truth == MathTruth(("1", "2"), unit, tolerance)
    assert MathTruth.read(truth.text) == truth


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("$$", "is empty"),
        ("####", "is empty"),
        ("5" * (MAX_TRUTH_LENGTH + 1), "longer than 4096"),
        ("$" * 1_000_000, "longer than 4096"),
        ('{"answers"', "malformed JSON object"),
        ('{"answers": ' + "[" * 50_000, "malformed JSON object"),
        ("{}", None),
        ('{"a": 1}', "unknown field 'a'"),
        ('{"unit": "cm"}', "answers are no list of texts"),
        ('{"answers": "5"}', "answers are no list of texts"),
        ('{"answers": [5]}', "answers are no list of texts"),
        ('{"answers": []}', "is empty"),
        ('{"answers": ["5", " "]}', "is empty"),
        ('{"answers": ["5"], "unit": 5}', "unit is no text"),
        ('{"answers": ["5"], "tolerance": "much"}', "tolerance 'much' is no number"),
        ('{"answers": ["5"], "tolerance": -1}', "tolerance of -1.0 is impossible"),
        ('{"answers": ["5"], "tolerance": "nan"}', "tolerance of nan is impossible"),
        ('{"answers": ["5"], "tolerance": true}', "is impossible"),
        ('{"answers": ["5"], "tolerance": [1]}', "is no number"),
    ],
)
def test_faults(text, problem):
    if problem is None:
        assert MathTruth.read(text).answers == (text,)
        return
    with pytest.raises(ValueError, match=r"the ground truth") as caught:
        MathTruth.read(text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parts_of_several_texts():
    assert MathTruth(("1", "2,3", "(4,5)")).parts.latex == "1, 2,3, (4,5)"
    assert len(MathTruth(("1", "2,3", "(4,5)")).parts.parts) == 4
