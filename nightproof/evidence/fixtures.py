"""Fixtures that every nightproof suite has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nightproof.evidence.journal import Ledger
from nightproof.evidence.options import backend_of
from nightproof.evidence.private import private_folder
from nightproof.evidence.session import run_id
from nightproof.evidence.state import RECORDING


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """Return the ledger, in which every resource is recorded before it is created."""
    folder = Path(".nightproof") / "adhoc" / run_id()
    path = Path(os.environ.get("NIGHTPROOF_LEDGER", folder / "ledger.jsonl"))
    private_folder(path.parent)
    return Ledger(path, run_id(), heard=RECORDING.name)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of the backend under test, from `--nightproof-backend`; a suite may override this fixture."""
    return backend_of(request.config)
