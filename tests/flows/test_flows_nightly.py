"""The nightly flow over another team's suite, in this process and against a real Prefect server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.errors import UsageError
from nightproof.locking import environment_lock
from nightproof.records import Colour
from nightproof.report.files import read_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

    from nightproof.records import RunReport
    from tests.nightproof.foreign import Foreign

pytestmark = [
    pytest.mark.xdist_group("harness"),  # one server for all of them
    pytest.mark.timeout(240),  # its start on a busy machine
]
HOLLOW = """
def test_front(): assert 1 + 1 == 2
"""


def latest(foreign: Foreign) -> RunReport:
    """Read the report of the last night."""
    return read_report(foreign.state / "runs" / "latest" / "report.json")


def test_an_honest_suite_is_green(run: Callable[..., State[Any]], foreign: Foreign, client: SyncPrefectClient) -> None:
    """The final state says the colour, and summary, matrix, link and progress are artifacts of the run."""
    state = run()

    report = latest(foreign)
    assert state.is_completed()
    assert state.message is not None
    assert state.message.startswith("GREEN")
    assert (report.colour, report.exit_code, report.totals.passed) == (Colour.GREEN, 0, 1)
    found = {artifact.key: artifact for artifact in client.read_artifacts()}
    assert report.run_id in (found["nightly-report"].description or "")
    assert '"passed": 1' in str(found["nightly-matrix"].data)
    assert f"{report.run_id}/report.html" in str(found["nightly-link"].data)
    assert found["cell-shop-default"].data == 100.0


def test_a_hollow_suite_is_red(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """A pass without the wire fails the run and says why."""
    foreign.write(HOLLOW)

    state = run()

    report = latest(foreign)
    assert state.is_failed()
    assert state.message == report.cause
    assert (report.colour, report.totals.hollow) == (Colour.RED, 1)


def test_a_missing_system_blocks_the_night(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """A required check that does not hold is BLOCKED, its tests are blocked and not failed."""
    foreign.write(more='checks = [{kind = "http", url = "http://127.0.0.1:9/"}]')

    state = run()

    report = latest(foreign)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("BLOCKED")
    assert (report.colour, report.totals.blocked) == (Colour.BLOCKED, 1)


def test_a_second_night_leaves_nothing(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """A locked environment fails the run with the sentence of exit 3, before a run directory exists."""
    with environment_lock(foreign.state, "somebody"):
        state = run()

    with pytest.raises(UsageError, match="locked by run `somebody`"):
        state.result()
    assert not (foreign.state / "runs").exists()
