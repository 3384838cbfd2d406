"""Another team's suite with its profile, and a real server for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nightproof.evidence.wire import serve
from tests.nightproof.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server


@pytest.fixture
def shop() -> Iterator[Server]:
    """Serve the application that the foreign suite tests."""
    with serve() as started:
        yield started


@pytest.fixture
def foreign(tmp_path: Path, shop: Server) -> Foreign:
    """Write another team's suite of one honest test."""
    made = Foreign(tmp_path, shop.url)
    made.write()
    return made
