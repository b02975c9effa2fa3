r"""Coverage-guided fuzzing of everything that reads model text in the trainer's own process.

Needs atheris, which is no dependency of spro: ``make fuzz`` sets up an environment of its own. Arguments are
libFuzzer's, e.g. ``python tests/fuzz/fuzz_extraction.py -max_total_time=300 CORPUS``. Not collected by pytest.

An input is a finding when something raises, is slow (libFuzzer's ``-timeout``), or breaks a promise checked below.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["spro.verify"]):
    from spro.verify.math.boxed import MAX_ANSWER_LENGTH, MAX_BOXES, all_boxes, extract_boxed
    from spro.verify.math.guard import refusal
    from spro.verify.math.latex import bare_latex, normal_latex, plain_latex
    from spro.verify.math.leaf import Likeness, read_leaf
    from spro.verify.math.likeness import compare_strings
    from spro.verify.math.parts import read_parts
    from spro.verify.math.truth import MathTruth
    from spro.verify.math.units import split_unit

# What a mutation of bytes alone would take long to find.
_WORDS = (Path(__file__).parent / "latex_words.txt").read_text().splitlines()


def one_input(data: bytes) -> None:
    """Everything once, over two texts made from ``data``."""
    provider = atheris.FuzzedDataProvider(data)
    gold, response = _text(provider), _text(provider)
    answer = extract_boxed(response)
    if answer is not None:
        assert answer == answer.strip()
        assert 0 < len(answer) <= MAX_ANSWER_LENGTH
        assert answer in response
    assert len(all_boxes(response)) <= MAX_BOXES + 1
    candidate = answer if answer is not None else response[:MAX_ANSWER_LENGTH]
    for normal in (bare_latex, normal_latex, plain_latex):
        once = normal(candidate)
        assert normal(once) == once, (normal.__name__, candidate)
    plain = plain_latex(candidate)
    assert refusal(plain, plain) == "", "nothing is refused that is the ground truth itself"
    split_unit(plain)
    read_leaf(plain)
    assert read_parts(candidate).parts
    _judge(gold, candidate)


def _judge(gold: str, answer: str) -> None:
    try:
        truth = MathTruth.read(gold)
    except ValueError:
        return
    assert MathTruth.read(truth.text) == truth
    compare_strings(truth, answer)
    assert compare_strings(truth, ", ".join(truth.answers))[0] is not Likeness.OTHER


def _text(provider: atheris.FuzzedDataProvider) -> str:
    pieces = []
    for _ in range(provider.ConsumeIntInRange(0, 24)):
        if provider.ConsumeBool():
            pieces.append(provider.PickValueInList(_WORDS))
        else:
            pieces.append(provider.ConsumeUnicode(provider.ConsumeIntInRange(0, 8)))
    return "".join(pieces)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
