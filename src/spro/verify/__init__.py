"""What is right: verifiers judge a response against its ground truth and say why.

Start with ``grader.py``. Nothing here imports torch, and no model text is ever evaluated as code in this process.
"""

from spro.verify.calculator import verify_calculator
from spro.verify.chain import verify_chain
from spro.verify.closing import Closing
from spro.verify.code.tests import CodeTests
from spro.verify.code.verifier import CodeVerifier, verify_code
from spro.verify.function import FunctionSource, FunctionVerifier, RewardFunction
from spro.verify.grader import AnyVerifier, Grader
from spro.verify.math.boxed import Boxes
from spro.verify.math.shared import verify_math
from spro.verify.math.truth import MathTruth
from spro.verify.math.verifier import MathVerifier
from spro.verify.sandbox import Limits, choose_sandbox, examine_sandbox
from spro.verify.verdict import Status, Verdict, one_line
from spro.verify.verifier import Answer, Verifier

__all__ = [
    "Answer",
    "AnyVerifier",
    "Boxes",
    "Closing",
    "CodeTests",
    "CodeVerifier",
    "FunctionSource",
    "FunctionVerifier",
    "Grader",
    "Limits",
    "MathTruth",
    "MathVerifier",
    "RewardFunction",
    "Status",
    "Verdict",
    "Verifier",
    "choose_sandbox",
    "examine_sandbox",
    "one_line",
    "verify_calculator",
    "verify_chain",
    "verify_code",
    "verify_math",
]
