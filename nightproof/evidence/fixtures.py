"""Fixtures that every nightproof suite has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence.session import run_id
from nightproof.evidence.state import RECORDING

if TYPE_CHECKING:
    from nightproof.ledger import Ledger


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """Give the ledger in which every resource is written down before it is made."""
    from nightproof.ledger import Ledger  # noqa: PLC0415 - suites that make nothing need not load it

    folder = Path(".nightproof") / "adhoc" / run_id()
    path = Path(os.environ.get("NIGHTPROOF_LEDGER", folder / "ledger.jsonl"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return Ledger(path, run_id(), heard=RECORDING.name)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """Give the name of the backend under test, as `--backend` says; a suite may override this fixture."""
    return request.config.getoption("--backend") or "default"
