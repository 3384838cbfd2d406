"""The ordered colour table, row by row: the first line that holds gives colour, exit code and cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Literal

import pytest

from nightproof.profile import Gates
from nightproof.records import Attempt
from nightproof.records import CheckResult
from nightproof.records import Colour
from nightproof.records import Cost
from nightproof.records import Exchanges
from nightproof.records import Gate
from nightproof.records import LedgerAudit
from nightproof.records import Outcome
from nightproof.verdict.assemble import RunFacts
from nightproof.verdict.assemble import build_report
from nightproof.verdict.colour import decide
from nightproof.verdict.quarantine import QuarantineEntry
from tests.golden import samples

if TYPE_CHECKING:
    from collections.abc import Callable

PUSH: Final = "quilt_ops/test_packages::test_push_then_browse"
EMPTY: Final = "quilt_ops/test_packages::test_push_of_empty_package_is_refused"
BAD: Final = samples.attempt(1, Outcome.FAILED, "AssertionError: no")
AGAIN: Final = (BAD, replace(BAD, n=2))
ON_SECOND_TRY: Final = (BAD, samples.attempt(2))
SEARCH: Final = "test_search_finds_seeded_package"
LISTING: Final = "test_list_packages_contains_ours"
EMPTY_NAME: Final = "test_push_of_empty_package_is_refused (quilt3)"
NEW: Final = ", new since build catalog 0.1.0."
LINES: Final = (
    ("interrupted", None, 143),
    ("blocked", Colour.BLOCKED, 2),
    ("violated", Colour.RED, 1),
    ("red", Colour.RED, 1),
    ("amber", Colour.AMBER, 0),
)


def gate(colour: Literal[Colour.RED, Colour.AMBER], state: Literal["ok", "broken", "not_measured"]) -> Gate:
    """Return a gate of this colour in this state."""
    return Gate("leaked", None, None, None if state == "not_measured" else 1.0, 0.0, state, colour)


@pytest.mark.parametrize("holding", list(product([False, True], repeat=len(LINES))))
def test_first_line_that_holds_decides(holding: tuple[bool, ...]) -> None:
    """For each of the 32 combinations of conditions, the first matching line of the table decides."""
    interrupted, blocked, violated, red, amber = holding
    gates = [gate(Colour.RED, "broken" if red else "ok"), gate(Colour.AMBER, "broken" if amber else "ok")]
    decided = decide(
        interrupted="SIGTERM" if interrupted else None, blocked=blocked, violated=violated, gates=reversed(gates)
    )
    lines = [(colour, code) for (_, colour, code), holds in zip(LINES, holding, strict=True) if holds]
    assert decided == (lines[0] if lines else (Colour.GREEN, 0))


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("cancelled", 130)])
def test_interrupted_night_has_the_exit_code_of_its_end(signal: str, code: int) -> None:
    """A signal gives 128 + its number, a cancelled run 130; none has a colour."""
    assert decide(interrupted=signal, blocked=False, violated=False, gates=()) == (None, code)


def test_gate_that_nothing_measured_breaks_nothing() -> None:
    """A gate that was not measured changes no colour."""
    unmeasured = [gate(Colour.RED, "not_measured"), gate(Colour.AMBER, "not_measured")]
    assert decide(interrupted=None, blocked=False, violated=False, gates=unmeasured) == (Colour.GREEN, 0)


def with_attempts(test_id: str, attempts: tuple[Attempt, ...]) -> RunFacts:
    """Return the green night with other attempts of one test on quilt3."""
    found = samples.all_pass(samples.declared(), "quilt3") | {test_id: attempts}
    return replace(samples.green(), cells=(samples.cell("quilt3", found), samples.cell("platform")))


def without(test_id: str) -> RunFacts:
    """Return the green night without one test's events on quilt3."""
    found = samples.all_pass(samples.declared(), "quilt3")
    del found[test_id]
    return replace(samples.green(), cells=(samples.cell("quilt3", found), samples.cell("platform")))


def gated(**limits: Any) -> RunFacts:
    """Return the green night under other gates."""
    return replace(samples.green(), profile=samples.profile(gates=Gates(**limits)))


def check(*, required: bool) -> RunFacts:
    """Return the green night with a check that failed."""
    failed = CheckResult("athena", required=required, ok=False, detail="gone", remedy="Start it.", duration_s=0.1)
    return replace(samples.green(), checks=(*samples.green().checks, failed))


ROWS: Final[dict[str, tuple[Callable[[], RunFacts], Colour | None, int, str]]] = {
    "2 interrupted": (
        lambda: replace(samples.interrupted(), interrupted="SIGINT"),
        None, 130, "The night was interrupted by SIGINT after 5 of 24 tests had run.",
    ),
    "2 cancelled": (
        lambda: replace(samples.interrupted(), interrupted="cancelled"),
        None, 130, "The night was cancelled after 5 of 24 tests had run.",
    ),
    "2 before 3": (
        lambda: replace(check(required=True), interrupted="SIGTERM"),
        None, 143, "The night was interrupted by SIGTERM after 23 of 24 tests had run.",
    ),
    "3 required check": (
        lambda: check(required=True), Colour.BLOCKED, 2, "1 of 2 required checks failed: athena: gone. Start it.",
    ),
    "3 seed": (
        lambda: replace(samples.green(), blocked="Seeding csv-1000 failed: refused."),
        Colour.BLOCKED, 2, "Seeding csv-1000 failed: refused.",
    ),
    "3 before 4": (
        lambda: replace(check(required=True), violations=("The cells hold 1.",)),
        Colour.BLOCKED, 2, "1 of 2 required checks failed: athena: gone. Start it.",
    ),
    "4 violated": (
        lambda: replace(samples.green(), violations=("The cells hold 1.",)),
        Colour.RED, 1, "The report does not add up (1 of its own checks violated): The cells hold 1.",
    ),
    "5 hollow": (
        lambda: with_attempts(EMPTY, (samples.attempt(exchanges=Exchanges()),)),
        Colour.RED, 1, f"1 of 23 tests passed hollow: {EMPTY_NAME}: no answer from the system under test{NEW}",
    ),
    "5 not run": (
        lambda: without(EMPTY),
        Colour.RED, 1, f"1 of 23 tests not run: {EMPTY_NAME}: no event in any cell log{NEW}",
    ),
    "6 critical": (
        lambda: with_attempts(PUSH, AGAIN),
        Colour.RED, 1, f"1 of 23 tests failed: test_push_then_browse (quilt3): AssertionError: no{NEW}",
    ),
    "7 unknown": (
        lambda: replace(
            samples.green(), ledger=LedgerAudit(unknown=1), unknown=("object s3://quilt-mcp-test-work/x",)
        ),
        Colour.RED, 1, "1 resource of tonight in no ledger: object s3://quilt-mcp-test-work/x.",
    ),
    "7 unknown, by number": (
        lambda: replace(samples.green(), ledger=LedgerAudit(unknown=2)),
        Colour.RED, 1, "2 resources of tonight in no ledger.",
    ),
    "8 flaky": (
        lambda: gated_flaky(2), Colour.AMBER, 0,
        f"2 of 23 tests flaky, 1 allowed: {LISTING} (quilt3), {SEARCH} (quilt3).",
    ),
    "8 leaked": (
        lambda: replace(
            samples.green(), ledger=LedgerAudit(created=1, leaked=1, entries_leaked=("object s3://b/k",))
        ),
        Colour.AMBER, 0, "1 resource leaked, left to the next sweep.",
    ),
    "8 quarantine over 5 %": (
        lambda: replace(
            samples.green(),
            quarantine=(QuarantineEntry(PUSH, "data-platform", "known", date(2026, 12, 1)),),
        ),
        Colour.AMBER, 0, "2 of 23 tests in quarantine, 1 allowed.",
    ),
    "8 quarantine overdue": (
        lambda: replace(
            samples.green(), quarantine=(QuarantineEntry("gone", "data-platform", "known", date(2026, 11, 19)),)
        ),
        Colour.AMBER, 0, "1 quarantine entry past the expiry date.",
    ),
    "8 cost": (
        lambda: replace(gated(cost_usd=2.0), cost=Cost(night_usd=2.5)),
        Colour.AMBER, 0, "cost 2.50 USD over its gate of 2.00 USD.",
    ),
    "8 wall time": (lambda: gated(wall_s=200.0), Colour.AMBER, 0, "wall time 214 s over its gate of 200 s."),
    "8 tolerated": (
        lambda: replace(with_attempts(EMPTY, AGAIN), profile=samples.profile(gates=Gates(normal=0.5))),
        Colour.AMBER, 0,
        "1 of 23 tests did not pass, within the gate of the tier: test_push_of_empty_package_is_refused (quilt3).",
    ),
    "9 green": (samples.green, Colour.GREEN, 0, ""),
    "9 one flaky test is allowed": (lambda: gated_flaky(1), Colour.GREEN, 0, ""),
    "9 optional check": (lambda: check(required=False), Colour.GREEN, 0, ""),
    "9 within cost and time": (
        lambda: replace(gated(cost_usd=2.0, wall_s=214.0), cost=Cost(night_usd=2.0)), Colour.GREEN, 0, "",
    ),
    "9 quarantined failure": (lambda: one_backend_quarantine(date(2026, 11, 20)), Colour.GREEN, 0, ""),
}  # fmt: skip


def gated_flaky(number: int) -> RunFacts:
    """Return the green night with so many flaky tests on quilt3."""
    found = samples.all_pass(samples.declared(), "quilt3")
    for test_id in list(found)[:number]:
        found[test_id] = ON_SECOND_TRY
    return replace(samples.green(), cells=(samples.cell("quilt3", found), samples.cell("platform")))


def one_backend_quarantine(expires: date) -> RunFacts:
    """Return a night whose only failing test is in quarantine where it fails."""
    held = QuarantineEntry(PUSH, "data-platform", "known", expires, backend="quilt3")
    return replace(with_attempts(PUSH, AGAIN), quarantine=(held,))


@pytest.mark.parametrize("row", ROWS)
def test_row_of_the_table(row: str) -> None:
    """A night whose first matching row is this one has its colour, exit code and cause."""
    facts, colour, exit_code, cause = ROWS[row]
    report = build_report(facts())
    assert (report.colour, report.exit_code, report.cause) == (colour, exit_code, cause)
