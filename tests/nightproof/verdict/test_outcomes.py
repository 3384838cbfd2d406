"""Judging one test on one backend: exactly one of ten verdicts, with its reason in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof.records import Attempt
from nightproof.records import Exchanges
from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.verdict.outcomes import hollow_reason
from nightproof.verdict.outcomes import judge
from nightproof.verdict.outcomes import unsupported_reason
from nightproof.verdict.quarantine import QuarantineEntry
from tests.golden import samples

if TYPE_CHECKING:
    from nightproof.verdict.catalogue import CatalogueTest

NAME: Final = "quilt_ops/test_packages::test_push_then_browse"
HELD: Final = QuarantineEntry(NAME, "data-platform", "known 503", date(2026, 12, 1))
GOOD: Final = samples.attempt()
FAILED: Final = samples.attempt(1, Outcome.FAILED, "\n  AssertionError: 1 == 2  \n  at line 3")
ERROR: Final = samples.attempt(1, Outcome.ERROR, "fixture: HTTP 503")
TIMEOUT: Final = samples.attempt(1, Outcome.TIMEOUT, samples.TIMEOUT_TEXT)
CHARGED: Final = replace(ERROR, outside_cause="the death of the process")
SILENT: Final = samples.attempt(exchanges=Exchanges(), server_exchanges=0)


def second(attempt: Attempt) -> Attempt:
    """Return the attempt as that of the second pass."""
    return replace(attempt, n=2)


def verdict(*attempts: Attempt, test: CatalogueTest | None = None, **given: Any) -> TestVerdict:
    """Judge one test by its attempts, with whatever else is given to the judge or to its event log."""
    asked = test or samples.declared()[NAME]
    events = samples.events("quilt_ops", "platform", {asked.id: attempts} if attempts else {})
    changes = {key: given.pop(key) for key in ("unsupported", "reported") if key in given}
    (found,) = judge("quilt_ops", "platform", {asked.id: asked}, replace(events, **changes), **given)
    return found


@pytest.mark.parametrize(
    ("attempts", "expected", "reason"),
    [
        ((GOOD,), Verdict.PASSED, ""),
        ((FAILED, second(GOOD)), Verdict.FLAKY, "attempt 1 failed: AssertionError: 1 == 2"),
        ((ERROR, second(GOOD)), Verdict.FLAKY, "attempt 1 error: fixture: HTTP 503"),
        ((TIMEOUT, second(GOOD)), Verdict.FLAKY, "attempt 1 timeout: Failed: Timeout (>60.0s) from pytest-timeout."),
        ((CHARGED, second(GOOD)), Verdict.ERROR, "fixture: HTTP 503 (charged to this test, which ran then; alone it"),
        ((CHARGED, second(SILENT)), Verdict.ERROR, "fixture: HTTP 503 (charged to this test"),
        ((CHARGED, second(FAILED)), Verdict.FAILED, "AssertionError: 1 == 2"),
        ((FAILED,), Verdict.FAILED, "AssertionError: 1 == 2"),
        ((ERROR, second(FAILED)), Verdict.FAILED, "AssertionError: 1 == 2"),
        ((FAILED, second(ERROR)), Verdict.ERROR, "fixture: HTTP 503"),
        ((FAILED, second(TIMEOUT)), Verdict.TIMEOUT, "Failed: Timeout (>60.0s) from pytest-timeout."),
        ((replace(FAILED, message=" \n"),), Verdict.FAILED, "no message"),
        ((SILENT,), Verdict.HOLLOW, "no answer from the system under test: 0 subject exchanges in the"),
        ((FAILED, second(SILENT)), Verdict.HOLLOW, "no answer from the system under test"),
    ],
)
def test_attempts_give_the_verdict(attempts: tuple[Attempt, ...], expected: Verdict, reason: str) -> None:
    """The last attempt decides; a pass after a failure is flaky, and every pass needs evidence."""
    found = verdict(*attempts)
    assert (found.verdict, found.attempts) == (expected, attempts)
    assert found.reason.startswith(reason)
    assert bool(found.reason) == bool(reason)


def test_declared_test_without_an_event_is_not_run() -> None:
    """A declared test without an event is `not_run`, whether its cell ran or never started."""
    assert (verdict().verdict, verdict().reason) == (Verdict.NOT_RUN, "declared, and no event in any cell log")
    (found,) = judge("quilt_ops", "platform", {NAME: samples.declared()[NAME]}, None)
    assert found.verdict is Verdict.NOT_RUN


def test_test_that_started_and_vanished_is_an_error() -> None:
    """A test with a start line and no outcome is an error, not `not_run`."""
    found = verdict(reported=frozenset({NAME}))
    assert (found.verdict, found.reason) == (Verdict.ERROR, "the test started and left no outcome")


@pytest.mark.parametrize("attempts", [(), (GOOD,), (FAILED,)])
def test_blocked_night_blocks_every_test(attempts: tuple[Attempt, ...]) -> None:
    """In a blocked night every test is blocked with the night's cause, whatever a log holds."""
    found = verdict(*attempts, blocked="1 of 2 required checks failed: catalog", quarantine=(HELD,))
    assert (found.verdict, found.reason) == (Verdict.BLOCKED, "1 of 2 required checks failed: catalog")


def test_design_makes_a_test_unsupported_on_its_backend_only() -> None:
    """A reason id of the catalogue makes a test unsupported on the named backend only."""
    test = replace(samples.declared()[NAME], unsupported={"platform": "local-session"})
    assert unsupported_reason(test, "platform", ()) == "local-session"
    assert unsupported_reason(test, "quilt3", ()) == ""
    found = verdict(test=test)
    assert (found.verdict, found.reason) == (Verdict.UNSUPPORTED, "local-session")


def test_missing_needs_make_a_test_unsupported() -> None:
    """A test is unsupported if the target lacks one of its needs, which is named."""
    test = replace(samples.declared()[NAME], needs=("write", "admin", "mailbox"))
    found = verdict(test=test, offers=("write",))
    assert (found.verdict, found.reason) == (Verdict.UNSUPPORTED, "needs admin, mailbox")
    assert verdict(GOOD, test=test, offers=("mailbox", "write", "admin")).verdict is Verdict.PASSED


def test_unsupported_in_the_log_counts_only_without_an_attempt() -> None:
    """A test declared unsupported at run time is so only without an attempt."""
    assert verdict(unsupported={NAME: "no-versions"}).reason == "no-versions"
    assert verdict(FAILED, unsupported={NAME: "no-versions"}).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("attempts", "tonight"), [((GOOD,), "passed"), ((FAILED,), "failed"), ((SILENT,), "hollow"), ((ERROR,), "error")]
)
def test_quarantined_test_ran_and_does_not_gate(attempts: tuple[Attempt, ...], tonight: str) -> None:
    """A quarantined test is quarantined whatever its outcome; the reason names owner, expiry and outcome."""
    found = verdict(*attempts, quarantine=(HELD,))
    assert found.verdict is Verdict.QUARANTINED
    assert found.reason == f"known 503 (owner data-platform, until 2026-12-01); tonight {tonight}"
    assert found.attempts == attempts


def test_quarantine_does_not_hide_what_did_not_run() -> None:
    """A quarantined test that did not run is `not_run`."""
    assert verdict(quarantine=(HELD,)).verdict is Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        (HELD, True),
        (replace(HELD, backend="platform"), True),
        (replace(HELD, backend="quilt3"), False),
        (replace(HELD, id=f"{NAME}_2"), False),
    ],
)
def test_quarantine_covers_its_test_and_backend(entry: QuarantineEntry, *, covered: bool) -> None:
    """An entry without a backend covers every backend, one with a backend only that."""
    assert (verdict(FAILED, quarantine=(entry,)).verdict is Verdict.QUARANTINED) == covered


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"server_exchanges": None}, ""),
        ({"assertions": 0}, "no assertion was executed"),
        ({"exchanges": Exchanges(), "server_exchanges": 4}, "no answer from the system under test"),
        ({"exchanges": Exchanges(ws=1), "server_exchanges": 1}, ""),
        (
            {"server_exchanges": 3},
            "client and server counted differently: 4 answered and 0 unanswered by the client, 3 ",
        ),
        ({"server_exchanges": 5}, "client and server counted differently"),
        ({"server_exchanges": 5, "unanswered": 1}, ""),
        ({"server_exchanges": 4, "unanswered": 1}, ""),
        ({"server_exchanges": 6, "unanswered": 1}, "client and server counted differently"),
    ],
)
def test_evidence_of_a_pass(changes: dict[str, Any], reason: str) -> None:
    """A pass needs assertions, an answer, and a server count from the answered to answered plus unanswered requests."""
    found = hollow_reason(samples.declared()[NAME], samples.attempt(**changes))
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("client", "server", "reason"),
    [
        (0, 0, ""),
        (0, None, ""),
        (1, None, "1 by the client, not counted by the server"),
        (0, 2, "0 by the client, 2 by the server"),
        (1, 1, "1 by the client, 1 by the server"),
    ],
)
def test_quiet_test_sends_nothing(client: int, server: int | None, reason: str) -> None:
    """A test with `wire="none"` is hollow if client or server counted a subject exchange."""
    test = replace(samples.declared()[NAME], wire="none")
    found = hollow_reason(test, samples.attempt(exchanges=Exchanges(http=client), server_exchanges=server))
    assert found.endswith(reason)
    assert bool(found) == bool(reason)


def test_quiet_test_still_needs_an_assertion() -> None:
    """A test with `wire="none"` and without an assertion is hollow."""
    test = replace(samples.declared()[NAME], wire="none")
    assert hollow_reason(test, replace(SILENT, assertions=0)) == "no assertion was executed"


def test_verdicts_come_in_the_order_of_ids_with_the_catalogue_s_facts() -> None:
    """Each declared test is listed once, sorted by id, with tier, category, journey, owner and wire."""
    tests = samples.declared()
    found = judge("quilt_ops", "platform", dict(reversed(tests.items())), None)
    assert [one.id for one in found] == sorted(tests)
    push = next(one for one in found if one.id == NAME)
    assert (push.tier, push.category, push.journey, push.owner, push.wire, push.type) == (
        "critical", "packages", "publish-data", "data-platform", "subject", "e2e",
    )  # fmt: skip
    quiet = next(one for one in found if one.id.endswith("sends_nothing"))
    assert (quiet.wire, quiet.journey) == ("none", None)
