from collections.abc import Iterator

import pytest
from tests.waiting import children
from verify_helpers import KEPT, ODD_WORKER, settle

from spro.verify import MathVerifier


@pytest.fixture
def odd_program() -> tuple[str, ...]:
    return (ODD_WORKER,)


@pytest.fixture
def no_orphans() -> Iterator[None]:
    settle()
    before = children()
    yield
    assert children() <= before


@pytest.fixture(scope="package")
def math_verifier() -> Iterator[MathVerifier]:
    with MathVerifier(workers=1, timeout_s=20.0) as verifier:
        KEPT.append(verifier)
        yield verifier
        KEPT.remove(verifier)
