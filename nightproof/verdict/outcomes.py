"""The verdict of every declared test of one cell: exactly one of ten, with the reason in words."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Attempt
from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.verdict import registry

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterable
    from collections.abc import Mapping

    from nightproof.runner.events import CellEvents
    from nightproof.verdict.catalogue import CatalogueTest
    from nightproof.verdict.quarantine import QuarantineEntry

NO_EVENT: Final = "declared, and no event in any cell log"
_BAD_ENDS = {Outcome.FAILED: Verdict.FAILED, Outcome.ERROR: Verdict.ERROR, Outcome.TIMEOUT: Verdict.TIMEOUT}


def judge(
    suite: str,
    backend: str,
    tests: Mapping[str, CatalogueTest],
    events: CellEvents | None,
    *,
    blocked: str = "",
    offers: Collection[str] = (),
    quarantine: Iterable[QuarantineEntry] = (),
) -> tuple[TestVerdict, ...]:
    """Return the verdict of every declared test, sorted by id; `blocked` is the cause that stopped the cell."""
    entries = tuple(quarantine)
    verdicts = []
    for test_id, test in sorted(tests.items()):
        attempts = events.attempts.get(test_id, ()) if events else ()
        verdict, reason = _verdict(test, backend, events, attempts, blocked, offers)
        held = next((entry for entry in entries if entry.covers(test_id, backend)), None)
        if held and attempts and verdict not in (Verdict.BLOCKED, Verdict.UNSUPPORTED):
            reason = f"{held.reason} (owner {held.owner}, until {held.expires}); tonight {verdict.value}"
            verdict = Verdict.QUARANTINED
        verdicts.append(_record(suite, backend, test, verdict, reason, tuple(attempts)))
    return tuple(verdicts)


def _record(
    suite: str, backend: str, test: CatalogueTest, verdict: Verdict, reason: str, attempts: tuple[Attempt, ...]
) -> TestVerdict:
    return TestVerdict(
        id=test.id,
        suite=suite,
        backend=backend,
        verdict=verdict,
        reason=reason,
        wire="none" if test.wire == "none" else "subject",
        tier=Tier(test.tier),
        category=test.category,
        type=test.type,
        journey=test.journey or None,
        owner=test.owner,
        attempts=attempts,
    )


def _verdict(
    test: CatalogueTest,
    backend: str,
    events: CellEvents | None,
    attempts: tuple[Attempt, ...],
    blocked: str,
    offers: Collection[str],
) -> tuple[Verdict, str]:
    if blocked:
        return Verdict.BLOCKED, blocked
    unsupported = unsupported_reason(test, backend, offers)
    if not unsupported and events and not attempts:
        unsupported = events.unsupported.get(test.id, "")
    if unsupported:
        return Verdict.UNSUPPORTED, unsupported
    if attempts:
        skipped = events.skips.get(test.id, "") if events else ""
        return registry.of_skip(test, skipped) if skipped else _of_attempts(test, attempts)
    return _without_attempt(test, events)


def _without_attempt(test: CatalogueTest, events: CellEvents | None) -> tuple[Verdict, str]:
    if events and test.id in events.reported:
        return Verdict.ERROR, "the test started and left no outcome"
    why = events.why_not_started(test.id) if events else ""
    if registry.is_registered(test, why):  # the whole module was skipped
        return registry.of_skip(test, why)
    return Verdict.NOT_RUN, _first_line(why) if why else NO_EVENT


def unsupported_reason(test: CatalogueTest, backend: str, offers: Collection[str]) -> str:
    """Return the reason id of a test unsupported here by design, else the needs that the target lacks, else ""."""
    designed = test.unsupported.get(backend, "")
    if designed:
        return designed
    lacking = sorted(set(test.needs) - set(offers))
    return f"needs {', '.join(lacking)}" if lacking else ""


def _of_attempts(test: CatalogueTest, attempts: tuple[Attempt, ...]) -> tuple[Verdict, str]:
    last = attempts[-1]
    if last.outcome is not Outcome.PASSED:
        return _BAD_ENDS[last.outcome], _first_line(last.message)
    charged = next((attempt for attempt in attempts if attempt.outside_cause), None)
    if charged:  # the second try ran without the cause, so its pass proves nothing: a broken tear-down is no flake
        return Verdict.ERROR, f"{_first_line(charged.message)} (charged to this test, which ran then; alone it passes)"
    hollow = hollow_reason(test, last)
    if hollow:
        return Verdict.HOLLOW, hollow
    earlier = [attempt for attempt in attempts if attempt.outcome is not Outcome.PASSED]
    if earlier:
        return Verdict.FLAKY, f"attempt {earlier[0].n} {earlier[0].outcome.value}: {_first_line(earlier[0].message)}"
    return Verdict.PASSED, ""


def hollow_reason(test: CatalogueTest | TestVerdict, attempt: Attempt) -> str:
    """Return the rule of evidence that a passed attempt breaks, or "" if it has evidence (DESIGN §6)."""
    client = attempt.exchanges.total
    server = attempt.server_exchanges
    if attempt.assertions < 1:
        return "no assertion was executed"
    if test.wire == "none":
        if client or server:
            counted = f"{client} by the client, {'not counted' if server is None else server} by the server"
            return f"requests were sent by a test that declares none: {counted}"
        return ""
    if client < 1 and not attempt.proof:
        return "no answer from the system under test: 0 subject exchanges in the call phase"
    recorded = client - attempt.unrecorded
    if server is not None and not recorded <= server <= recorded + attempt.unanswered:
        return (
            f"client and server counted differently: {recorded} answered and {attempt.unanswered} unanswered "
            f"by the client, {server} subject requests by the server"
        )
    return ""


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no message")[:300]
