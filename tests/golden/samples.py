"""Five nights, made from facts by the real verdict: green, red, blocked, interrupted and a foreign suite.

After a wanted change, write them again with `python -m tests.golden.samples` and review the diff.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any
from typing import Final

from nightproof.history.nights import Night
from nightproof.profile import Profile
from nightproof.records import Attempt
from nightproof.records import CheckResult
from nightproof.records import Colour
from nightproof.records import Cost
from nightproof.records import Exchanges
from nightproof.records import LedgerAudit
from nightproof.records import Outcome
from nightproof.records import RunReport
from nightproof.records import SeedResult
from nightproof.records import Verdict
from nightproof.report import html
from nightproof.report import junit
from nightproof.report import markdown
from nightproof.report import slack
from nightproof.report import text
from nightproof.report.files import dump_report
from nightproof.report.files import write_atomic
from nightproof.report.notifier import dump
from nightproof.runner.events import CellEvents
from nightproof.runner.events import Observation
from nightproof.runner.events import ProcessEnd
from nightproof.verdict.assemble import CellFacts
from nightproof.verdict.assemble import RunFacts
from nightproof.verdict.assemble import build_report
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.quarantine import QuarantineEntry

SEARCH: Final = "quilt_ops/test_discovery::test_search_finds_seeded_package"
REASONS: Final = {"local-session": "A session in local files exists only in the quilt3 client."}
HERE: Final = Path(__file__).parent
STARTED: Final = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
ENDED: Final = STARTED + timedelta(seconds=214)
NAMES: Final = {
    "test_discovery::test_search_finds_seeded_package": ("critical", "discovery", "find-data"),
    "test_discovery::test_list_packages_contains_ours": ("high", "discovery", "find-data"),
    "test_packages::test_push_then_browse": ("critical", "packages", "publish-data"),
    "test_packages::test_install_gives_same_bytes": ("critical", "packages", "publish-data"),
    "test_packages::test_push_of_empty_package_is_refused": ("normal", "packages", ""),
    "test_objects::test_presigned_url_opens": ("high", "objects", "share-data"),
    "test_objects::test_versions_are_listed": ("normal", "objects", ""),
    "test_admin::test_user_is_created_and_removed": ("high", "admin", "manage-users"),
    "test_admin::test_role_is_refused_to_reader": ("high", "admin", "manage-users"),
    "test_session::test_expired_token_is_refused": ("critical", "security", ""),
    "test_session::test_sign_out_sends_nothing": ("normal", "security", ""),
    "test_performance::test_listing_1000_objects": ("normal", "performance", ""),
}
TIMEOUT_TEXT: Final = "Failed: Timeout (>60.0s) from pytest-timeout.\nStack of MainThread:\n  socket.recv …"
REFUSED: Final = (
    "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the PutObject operation"
)


def declared(suite: str = "quilt_ops") -> dict[str, CatalogueTest]:
    """Return the declared tests of the sample suite."""
    tests = {}
    for name, (tier, category, journey) in NAMES.items():
        quiet = name.endswith("sends_nothing")
        test_id = f"{suite}/{name}"
        tests[test_id] = CatalogueTest(
            id=test_id,
            tier=tier,
            category=category,
            type="performance" if category == "performance" else "e2e",
            needs=("admin",) if category == "admin" else (),
            wire="none" if quiet else "subject",
            wire_reason="signing out is local" if quiet else "",
            owner="data-platform" if category == "packages" else "",
            journey=journey,
            unsupported={"platform": "local-session"} if quiet else {},
            serial=category == "performance",
        )
    return tests


def attempt(n: int = 1, outcome: Outcome = Outcome.PASSED, message: str = "", **changes: Any) -> Attempt:
    """Return one attempt; it passes and has evidence unless changed."""
    base = Attempt(
        n=n,
        outcome=outcome,
        started=STARTED + timedelta(seconds=30 + 60 * (n - 1)),
        duration_s=1.25,
        server_ms=84.5,
        assertions=4,
        exchanges=Exchanges(s3=3, graphql=1),
        server_exchanges=4,
        message=message,
        traceback=message,  # as for a report without frames
    )
    return replace(base, **changes)


def events(suite: str, backend: str, attempts: dict[str, tuple[Attempt, ...]], exit_code: int = 0) -> CellEvents:
    """Return the contents of a cell's event log."""
    lag = 0.62 if backend == "quilt3" else 0.48
    return CellEvents(
        suite=suite,
        backend=backend,
        started=STARTED + timedelta(seconds=25),
        ended=STARTED + timedelta(seconds=120),
        exit=exit_code,
        attempts=attempts,
        unsupported={},
        reported=frozenset(attempts),
        skips={},
        torn_lines=0,
        collected=tuple(sorted(attempts)),
        observations={test_id: seen(test_id) for test_id in attempts},
        properties={SEARCH: (("index_lag_s", lag), ("index_polls", 2))} if SEARCH in attempts else {},
        ends=ends(attempts, exit_code),
    )


def ends(attempts: dict[str, tuple[Attempt, ...]], exit_code: int) -> tuple[ProcessEnd, ...]:
    """Return the end of the process of each pass: an exit code, or a cancel for a negative code."""
    found = []
    for number in (1, 2):
        mine = [tries[number - 1] for tries in attempts.values() if len(tries) >= number]
        has_failures = any(attempt.outcome is not Outcome.PASSED for attempt in mine)
        ended = (exit_code, "") if exit_code >= 0 else (None, "cancel")
        found += [ProcessEnd(number, exit_code, ended[0], has_failures, ended_by=ended[1])] if mine else []
    return tuple(found)


def seen(test_id: str, listing: str = '["a.csv","b.csv"]') -> tuple[Observation, ...]:
    """Return the observations of a test; none for a test that sends nothing."""
    asked = f'{{"package_name":"test-user/{test_id.rpartition("::")[2]}"}}'
    if test_id.endswith("sends_nothing"):
        return ()
    return (
        Observation("get_package_info", asked, digest(asked), '{"name":"<package 1>"}', digest("info")),
        Observation("browse_content", asked, digest(asked), listing, digest(listing)),
    )


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def all_pass(tests: dict[str, CatalogueTest], backend: str) -> dict[str, tuple[Attempt, ...]]:
    """Return one passing attempt with evidence for every test that the backend supports."""
    silent: dict[str, Any] = {"exchanges": Exchanges(), "server_exchanges": 0}
    return {
        test_id: (attempt(**(silent if test.wire == "none" else {})),)
        for test_id, test in tests.items()
        if backend not in test.unsupported
    }


def profile(**changes: Any) -> Profile:
    """Return the sample profile."""
    journeys = {"find-data": 40000.0, "publish-data": 55000.0, "share-data": 12000.0, "manage-users": 8000.0}
    base = Profile(name="embedded", environment="embedded", target="embedded", owner="quality", journeys=journeys)
    return base.model_copy(update=changes)


def cell(backend: str, attempts: dict[str, tuple[Attempt, ...]] | None = None, exit_code: int = 0) -> CellFacts:
    """Return one cell of the sample suite; all tests pass unless attempts are given."""
    tests = declared()
    found = all_pass(tests, backend) if attempts is None else attempts
    log = f"cells/quilt_ops-{backend}/output.log"
    told = events("quilt_ops", backend, found, exit_code)
    return CellFacts("quilt_ops", backend, tests, told, log=log, reasons=REASONS)


def green() -> RunFacts:
    """Return a night in which everything passed on both backends."""
    stages = {"start": 6.1, "sweep": 0.4, "provision": 3.2, "seed": 14.8, "suites": 95.0, "second_pass": 0.0}
    return RunFacts(
        run_id="20261120T020000Z-k3f9qa",
        profile=profile(),
        started=STARTED,
        ended=ENDED,
        cells=(cell("quilt3"), cell("platform")),
        checks=(CheckResult("aws", required=True, ok=True, detail="signed in", remedy="", duration_s=0.2),),
        seeds=(SeedResult("csv-1000", "dataset", 12, 48211, "9f" * 32, 48211, 0, 0, 1.5),),
        ledger=LedgerAudit(created=14, deleted=14),
        stages={**stages, "cleanup": 4.4, "verdict": 0.1, "publish": 0.3},
        versions={"nightproof": "0.1.0", "python": "3.11.2", "prefect": "3.8.8", "quilt3": "8.0.0", "pytest": "9.0.1"},
        builds={"aws": "ministack-1.5.33", "catalog": "0.1.0"},
        suite_hash="5c1d" * 16,
        seed_hash="77aa" * 16,
        run_key="embedded-5c1d5c1d",
        cost=Cost(night_usd=0.0),
        rerun="nightproof run --profile embedded",
        nights=past_nights(),
    )


def red() -> RunFacts:
    """Return a night with every kind of trouble: failures, a hang, hollow, flaky, missing, quarantined, a leak."""
    tests = declared()
    quilt3 = all_pass(tests, "quilt3")
    platform = all_pass(tests, "platform")
    push, install = (
        f"quilt_ops/test_packages::{name}" for name in ("test_push_then_browse", "test_install_gives_same_bytes")
    )
    search, listing = (f"quilt_ops/{name}" for name in list(NAMES)[:2])
    admin = "quilt_ops/test_admin::test_user_is_created_and_removed"
    bad = Outcome.FAILED
    place = {"where": "suites/quilt_ops/test_packages.py:41", "exchange": "PUT /work/data.csv answered 403"}
    frame = ">       s3.put_object(**given)\nE       ClientError: AccessDenied"
    shown = {"traceback": f"{frame}\n{place['where']}: ClientError", "output": "--- stdout ---\nput"}
    platform[push] = (
        attempt(1, bad, f"{REFUSED}: 3a81f2c4d5e6", **place, **shown),
        attempt(2, bad, f"{REFUSED}: 77b1f2c4d5e6", **place, **shown),
    )
    platform[install] = (attempt(1, bad, f"{REFUSED}: 90c1f2c4d5e6"), attempt(2, bad, f"{REFUSED}: 12d1f2c4d5e6"))
    platform[search] = (attempt(assertions=0),)
    platform[listing] = (attempt(1, bad, "AssertionError: 'ours/a' not in []"), attempt(2))
    slow = "quilt_ops/test_performance::test_listing_1000_objects"
    hung = attempt(1, Outcome.TIMEOUT, TIMEOUT_TEXT, duration_s=60.0)
    quilt3[slow] = (hung, replace(hung, n=2, started=STARTED + timedelta(seconds=100)))
    del quilt3["quilt_ops/test_objects::test_versions_are_listed"]
    quilt3[admin] = (attempt(1, Outcome.ERROR, "fixture 'user': HTTP 503"), attempt(2, Outcome.ERROR, "HTTP 503"))
    cells = (cell("quilt3", quilt3, 1), cell("platform", platform, 1))
    sides = [one.events for one in cells if one.events]
    versions = "quilt_ops/test_objects::test_presigned_url_opens"
    sides[1].observations[versions] = seen(versions, '["a.csv"]')
    race = {"kind": "create-race", "detail": "3 of 4 creations of one name succeeded; `latest` is 9f86d081."}
    sides[0].properties[push] = (("finding", race),)
    held = QuarantineEntry(admin, "identity", "known 503 in user creation", date(2026, 12, 1))
    return replace(
        green(),
        run_id="20261121T020000Z-m2x7bd",
        cells=cells,
        ledger=LedgerAudit(
            created=15, deleted=14, leaked=1, entries_leaked=("object s3://quilt-mcp-test-work/run/a.csv",)
        ),
        quarantine=(held,),
    )


def blocked() -> RunFacts:
    """Return a night whose required check failed."""
    failed = CheckResult(
        "catalog", required=True, ok=False, detail="GET http://127.0.0.1:8080/config.json: connection refused",
        remedy="Start the catalog or correct endpoints.catalog in the profile.", duration_s=12.0,
    )  # fmt: skip
    base = green()
    cells = tuple(replace(one, events=None, log=None) for one in base.cells)
    return replace(
        base, run_id="20261122T020000Z-b7kkqa", checks=(*base.checks, failed), cells=cells, seeds=(), ledger=None,
        stages={"start": 6.1, "sweep": 0.4, "provision": 14.2, "verdict": 0.1},
    )  # fmt: skip


def interrupted() -> RunFacts:
    """Return a night that a signal ended in its first cell."""
    half = dict(list(all_pass(declared(), "quilt3").items())[:5])
    cells = (cell("quilt3", half, -15), replace(cell("platform"), events=None, log=None))
    return replace(green(), run_id="20261123T020000Z-z5wwqa", interrupted="SIGTERM", cells=cells)


def foreign() -> RunFacts:
    """Return a night of another team's suite against its own live URL: no Quilt, no seeds, no history."""
    tests = {
        f"shop/test_checkout::{name}": CatalogueTest(
            id=f"shop/test_checkout::{name}", tier="normal", category="general", type="e2e", needs=needs,
            wire="subject",
            wire_reason="", owner="", journey="", unsupported={}, serial=False,
        )
        for name, needs in (("test_basket_is_kept", ()), ("test_price[EUR]", ()), ("test_mail_is_sent", ("mailbox",)))
    }  # fmt: skip
    http: dict[str, Any] = {"exchanges": Exchanges(http=2), "server_exchanges": None}
    ran: dict[str, tuple[Attempt, ...]] = {
        test_id: (attempt(**http),) for test_id, test in tests.items() if not test.needs
    }
    return replace(
        green(),
        run_id="20261124T020000Z-shop22",
        profile=profile(name="shop", environment="shop", target="live", owner="shop-team", journeys={}),
        cells=(
            CellFacts("shop", "default", tests, events("shop", "default", ran), log="cells/shop-default/output.log"),
        ),
        seeds=(), builds={}, seed_hash="", rerun="nightproof run --profile shop", ledger=LedgerAudit(), nights=(),
    )  # fmt: skip


def past_nights() -> tuple[Night, ...]:
    """Return twelve earlier nights: one that was blocked, and a test that fails in the last three."""
    keys = [(test_id, backend) for test_id in declared() for backend in ("quilt3", "platform")]
    slow = ("quilt_ops/test_performance::test_listing_1000_objects", "quilt3")
    nights = []
    for back in range(12, 0, -1):
        verdicts = dict.fromkeys(keys, Verdict.PASSED)
        colour = Colour.BLOCKED if back == 6 else Colour.AMBER if back <= 3 else Colour.GREEN
        if back <= 3:
            verdicts[slow] = Verdict.TIMEOUT
        if back == 6:
            verdicts = dict.fromkeys(keys, Verdict.BLOCKED)
        started = STARTED - timedelta(days=back)
        run_id = f"{started:%Y%m%dT%H%M%SZ}-past{back:02}"
        builds = {"aws": "ministack-1.5.33", "catalog": "0.0.9"}
        nights.append(Night(run_id, started, colour, None, verdicts, duration_s=200.0 + 3 * (back % 5), builds=builds))
    return tuple(nights)


NIGHTS: Final = {
    "green": green, "red": red, "blocked": blocked, "interrupted": interrupted, "foreign": foreign,
}  # fmt: skip


def outputs(facts: RunFacts) -> dict[str, str]:
    """Return the output of every writer for a night, by file name."""
    report: RunReport = build_report(facts)
    message = slack.render(report, "https://reports.example.org/report.html", mention="S012345")
    return {
        "report.json": dump_report(report),
        "report.html": html.render(report, facts.nights),
        "report.md": markdown.render(report),
        "junit.xml": junit.render(report),
        "summary.txt": text.render(report, "report.html"),
        "slack.json": dump(message, "#nightly"),
    }


def update() -> None:
    """Write the golden files of all five nights."""
    for name, facts in NIGHTS.items():
        for file, content in outputs(facts()).items():
            write_atomic(HERE / name / file, content)


if __name__ == "__main__":
    update()
