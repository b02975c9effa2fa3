"""The worker that misbehaves on demand, and verifiers that outlive a test."""

from pathlib import Path

from spro.verify import MathVerifier
from spro.verify.math import shared

ODD_WORKER = str(Path(__file__).with_name("odd_worker.py"))
KEPT: list[MathVerifier] = []
"""Those that several tests share."""


def settle() -> None:
    """Let the spares that start in the background come up now, and not amid a test that counts processes."""
    for verifier in [*KEPT, shared._SHARED._verifier]:
        if verifier is not None:
            # The one thread that starts them gets to this when it has nothing else to do.
            verifier._pool._starter.submit(int).result()
