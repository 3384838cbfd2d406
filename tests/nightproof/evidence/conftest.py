"""A server for each test of evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nightproof.evidence.wire import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.nightproof.evidence.wire import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a real HTTP server."""
    with serve() as started:
        yield started
