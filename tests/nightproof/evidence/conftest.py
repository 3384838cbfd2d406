"""A server for each test of evidence, and a plugin state."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

import pytest

from nightproof.evidence import recorders
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import TestState
from nightproof.evidence.wire import links
from tests.nightproof.evidence.wire import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.nightproof.evidence.wire import Server

PREFIX: Final = "run:1:0123456789abcdef"


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a real HTTP server."""
    with serve() as started:
        yield started


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestState]:
    """Enter the call phase of a test whose process runs no server of its own."""
    recorders.install()
    monkeypatch.setattr(links, "is_own", lambda _peer, _local: False)
    before = RECORDING.test
    RECORDING.test = TestState("shop/test_it::test", PREFIX, phase="call")
    yield RECORDING.test
    RECORDING.test = before
