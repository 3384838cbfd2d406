"""Another team's suite and a night over it, for tasks called as plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.night import Night
from nightproof.plan import Choice
from nightproof.plan import make_plan
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import Foreign
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    """Write another team's suite of one test, whose system does not answer."""
    made = Foreign(tmp_path)
    made.write()
    return made


@pytest.fixture
def night(foreign: Foreign) -> Night:
    """Return a planned night that was not opened; its run directory exists."""
    planned = Night(make_plan(foreign.profile(), Choice(), RUN_ID), no_secrets())
    planned.run_dir.mkdir(parents=True)
    return planned
