import contextlib
import os
from collections.abc import Iterator

import pytest
from sandbox_helpers import descriptors
from tests.waiting import children, wait_for
from verify_helpers import settle

from spro.errors import SandboxUnavailableError
from spro.verify.sandbox import Sandbox, choose_sandbox
from spro.verify.sandbox.sandbox import _UIDS


@pytest.fixture(scope="session", autouse=True)
def _users() -> None:
    # Each user that was ever lent keeps one descriptor, which is no leak.
    with contextlib.ExitStack() as stack:
        for _ in range(8 if os.geteuid() == 0 else 0):
            stack.enter_context(_UIDS.lend())


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    try:
        return choose_sandbox("bubblewrap")
    except SandboxUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def no_leaks() -> Iterator[None]:
    settle()
    processes, before = children(), descriptors()
    yield
    wait_for(lambda: children() <= processes)
    assert len(descriptors()) <= len(before)
