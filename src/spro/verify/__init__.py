"""What is right: verifiers judge a response against its ground truth and say why.

Start with ``grader.py``. Nothing here imports torch, and no model text is ever evaluated as code in this process.
"""

from spro.verify.chain import verify_chain
from spro.verify.grader import VERIFIERS, Answer, Grader
from spro.verify.math import MathVerifier
from spro.verify.verdict import Status, Verdict
from spro.verify.verifier import Verifier

__all__ = ["VERIFIERS", "Answer", "Grader", "MathVerifier", "Status", "Verdict", "Verifier", "verify_chain"]
