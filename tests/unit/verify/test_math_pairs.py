import pytest
from math_pairs import EQUAL, UNEQUAL

from spro.verify import Status

# math-verify cannot read it, so nothing can be said; what must not happen is that it is taken for equal.
UNREADABLE = {"e^{e^{e^{e^e}}}"}
MAX_FALSE_POSITIVE_SHARE = 0.02


def test_false_negatives_and_false_positives(math_verifier):
    equal = [(*pair, name) for name, pairs in EQUAL.items() for pair in pairs]
    unequal = [(*pair, name) for name, pairs in UNEQUAL.items() for pair in pairs]
    assert len(equal) + len(unequal) >= 150
    false_negatives = [pair for pair in equal if judge(math_verifier, pair) is not Status.CORRECT]
    false_positives = [pair for pair in unequal if judge(math_verifier, pair) is Status.CORRECT]
    counts = (
        f"{len(false_negatives)} false negatives of {len(equal)}, {len(false_positives)} false positives of "
        f"{len(unequal)}: {false_negatives} {false_positives}"
    )
    print(counts)
    assert not false_negatives, counts
    assert len(false_positives) <= MAX_FALSE_POSITIVE_SHARE * len(unequal), counts


def test_unequal_is_wrong_and_not_unscored(math_verifier):
    for pairs in UNEQUAL.values():
        for pair in pairs:
            wanted = {Status.UNSCORED} if pair[0] in UNREADABLE else {Status.WRONG, Status.NO_ANSWER}
            assert judge(math_verifier, pair) in wanted, pair


@pytest.mark.parametrize("name", EQUAL)
def test_everything_equals_itself(math_verifier, name):
    # The ground truth of an equal pair as the answer, and the answer as the ground truth.
    for gold, answer in EQUAL[name]:
        assert judge(math_verifier, (gold, gold.strip("$").replace("$,$", ","))) is Status.CORRECT
        assert judge(math_verifier, (answer, answer)) is Status.CORRECT


def judge(verifier, pair):
    return verifier(rf"so $\boxed{{{pair[1]}}}$", pair[0]).status
