"""Earlier nights for the verdict: which tests fail newly, and for how many nights a test has not passed."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from itertools import takewhile
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Colour
from nightproof.records import RunReport
from nightproof.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from datetime import datetime

Key = tuple[str, str]
ABSENT: Final = frozenset({None, Verdict.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class Night:
    """One earlier night; `verdicts` by test id and backend, `alarm_ts` the Slack message that reported it."""

    run_id: str
    started: datetime
    colour: Colour | None
    interrupted: str | None
    verdicts: Mapping[Key, Verdict] = field(default_factory=dict)
    duration_s: float = 0.0
    night_usd: float | None = None
    alarm_channel: str | None = None
    alarm_ts: str | None = None
    builds: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_counted(self) -> bool:
        """Return whether the night counts; blocked and interrupted ones proved nothing."""
        return self.interrupted is None and self.colour not in (None, Colour.BLOCKED)


def night_of(report: RunReport) -> Night:
    """Return the part of a report that later nights are compared with."""
    return Night(
        run_id=report.run_id,
        started=report.started,
        colour=report.colour,
        interrupted=report.interrupted,
        verdicts={(test.id, test.backend): test.verdict for test in report.tests},
        duration_s=(report.ended - report.started).total_seconds(),
        night_usd=report.cost.night_usd,
        alarm_channel=report.slack.channel if report.slack.delivered else None,
        alarm_ts=report.slack.ts if report.slack.delivered else None,
        builds=report.builds,
    )


def counted(nights: Iterable[Night]) -> list[Night]:
    """Return the counted nights, newest first."""
    return sorted((night for night in nights if night.is_counted), key=lambda night: night.started, reverse=True)


def is_new(key: Key, verdict: Verdict, nights: Sequence[Night]) -> bool:
    """Return whether a test did not pass tonight and passed, or did not exist, on the last counted night.

    Without such a night nothing is new: on the first night everything would be.
    """
    if not nights or verdict in (Verdict.PASSED, Verdict.UNSUPPORTED):
        return False
    last = nights[0].verdicts.get(key)
    return last is Verdict.PASSED or last in ABSENT


def age_nights(key: Key, verdict: Verdict, nights: Sequence[Night], *, tonight_counts: bool = True) -> int:
    """Return the consecutive counted nights without a pass, tonight included; 0 for passed and unsupported.

    `nights` are the counted nights, newest first. A night that did not have the test ends the count.
    """
    if verdict in (Verdict.PASSED, Verdict.UNSUPPORTED):
        return 0
    age = int(tonight_counts)
    for night in nights:
        before = night.verdicts.get(key)
        if before is Verdict.PASSED or before in ABSENT:
            break
        age += 1
    return age


def not_green(nights: Iterable[Night]) -> int:
    """Return the number of consecutive counted nights that were not GREEN, from the newest one back."""
    return sum(1 for _ in takewhile(lambda night: night.colour is not Colour.GREEN, counted(nights)))


def last_alarm(nights: Iterable[Night]) -> Night | None:
    """Return the last counted night if it was RED and its alarm reached Slack, for a recovery to answer; else None."""
    latest = next(iter(counted(nights)), None)
    return latest if latest and latest.colour is Colour.RED and latest.alarm_ts else None
