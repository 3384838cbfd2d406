"""The supervisor's API queries: nights that do not start, do not end, or end badly without an alert.

A run still scheduled 75 s after its due time was taken by no worker. Prefect marks it late after 15 s, and a live
worker polls every 3 s. A run that a worker has taken is pending and not missed, however slowly a busy machine starts
it; the server's automation crashes one that stays pending.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.filters import FlowRunFilterEndTime
from prefect.client.schemas.filters import FlowRunFilterExpectedStartTime
from prefect.client.schemas.filters import FlowRunFilterStartTime
from prefect.client.schemas.filters import FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES
from prefect.settings import temporary_settings
from prefect.utilities.urls import url_for

from deployments.pulse import Trouble
from nightproof.errors import UsageError
from nightproof.records import NOT_ASKED
from nightproof.records import NOT_CONFIGURED
from nightproof.report import store
from nightproof.report.files import read_report
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from nightproof.profile import Profile

MISSED: Final = timedelta(seconds=75)  # with one round and one delivery the alert arrives within 120 s
CALL_S: Final = 15.0  # for one call of the API
LONGEST: Final = timedelta(hours=2)
LONGEST_MESSAGE: Final = 500  # characters of a state's message


def troubles(profile: Profile, since: datetime) -> list[Trouble]:
    """Return the runs that were missed, hang, or ended badly without an alert after `since`; API calls are bounded."""
    now = datetime.now(UTC)
    limit = timedelta(seconds=2 * profile.gates.wall_s) if profile.gates.wall_s else LONGEST
    with bounded_calls(), get_client(sync_client=True) as api:
        missed = [_missed(run) for run in _scheduled(api, now - MISSED) if now - max(_due(run), since) > MISSED]
        stuck = [_stuck(run) for run in _running(api, now - limit)]
        ended = [_ended(run, profile) for run in _badly_ended(api, since) if not _was_told(run, profile)]
    return [*missed, *stuck, *ended]


@contextmanager
def bounded_calls(tries: int = 1) -> Iterator[None]:
    """Bound the calls of Prefect's client to `tries` of 15 s; by default it retries a silent server for minutes."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: tries - 1, PREFECT_API_REQUEST_TIMEOUT: CALL_S}):
        yield


def _scheduled(api: SyncPrefectClient, due_before: datetime) -> list[FlowRun]:
    return _find(
        api,
        FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=due_before),
        ),
    )


def _running(api: SyncPrefectClient, started_before: datetime) -> list[FlowRun]:
    return _find(
        api,
        FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
            start_time=FlowRunFilterStartTime(before_=started_before),
        ),
    )


def _badly_ended(api: SyncPrefectClient, since: datetime) -> list[FlowRun]:
    return _find(
        api,
        FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED])),
            end_time=FlowRunFilterEndTime(after_=since),
        ),
    )


def _find(api: SyncPrefectClient, wanted: FlowRunFilter) -> list[FlowRun]:
    """Return the newest matching runs, one page: the time limits keep them far below the page size."""
    return api.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC)


def _due(run: FlowRun) -> datetime:
    return run.expected_start_time or datetime.max.replace(tzinfo=UTC)


def _missed(run: FlowRun) -> Trouble:
    sentence = f"The run `{run.name}` was due at {_due(run):%Y-%m-%d %H:%M} UTC and no worker has taken it."
    return Trouble(f"late-{run.id}", f"{sentence}{_page(run)}")


def _stuck(run: FlowRun) -> Trouble:
    sentence = f"The run `{run.name}` has been running since {run.start_time:%Y-%m-%d %H:%M} UTC."
    return Trouble(f"stuck-{run.id}", f"{sentence}{_page(run)}")


def _ended(run: FlowRun, profile: Profile) -> Trouble:
    state = run.state
    name, message = (state.name, state.message or "") if state else (str(run.state_type), "")
    why = f": {shorten(message.rstrip('. '), LONGEST_MESSAGE)}" if message else ""
    run_dir = profile.state_dir.absolute() / "runs" / run.name
    place = store.link(run_dir, profile.artifact_store, profile.report_base_url)
    report = f" Report: {place}" if (run_dir / "report.html").is_file() else ""
    # A run restarted from the UI keeps its id; the end time makes its second end a new alert.
    return Trouble(f"ended-{run.id}-{run.end_time:%H%M%S}", f"The run `{run.name}` {name}{why}.{_page(run)}{report}")


def _page(run: FlowRun) -> str:
    address = url_for("flow-run", obj_id=run.id)
    return f" Run: {address}" if address else ""


def _was_told(run: FlowRun, profile: Profile) -> bool:
    """Return whether the night reported its own end, kept its message without Slack, or ran without notify."""
    path = profile.state_dir.absolute() / "runs" / run.name / "report.json"
    if not path.is_file():
        return False
    try:
        delivery = read_report(path).slack
    except UsageError:
        return False
    return delivery.delivered or (delivery.error or "").startswith((NOT_CONFIGURED, NOT_ASKED))
