"""Skips and expected failures that a suite's lock registers, and what a night makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

    from nightproof.verdict.catalogue import CatalogueTest
    from nightproof.verdict.catalogue import SuiteCatalogue

XPASS: Final = "xpass: "
XFAIL_DAYS: Final = 90  # an expected failure is a debt: after so many days it colours the night AMBER
REGISTER: Final = "register it with `nightproof catalogue --update --from-run latest` and commit the lock"


def split(skipped: str) -> tuple[str, str]:
    """Give the kind (`skip`, `xfail`, `xpass`) and the reason of what a log says."""
    kind, _, reason = skipped.partition(": ")
    return kind, " ".join(reason.removeprefix("Skipped: ").split())


def is_registered(test: CatalogueTest, skipped: str) -> bool:
    """Say whether the lock holds this very reason: another one was reviewed by nobody."""
    kind, reason = split(skipped)
    held = {"skip": test.skip, "xfail": test.xfail, "xpass": test.xfail}.get(kind, "")
    return bool(held) and " ".join(held.split()) == reason


def of_skip(test: CatalogueTest, skipped: str) -> tuple[Verdict, str]:
    """Give verdict and reason of a test that was skipped or marked to fail."""
    kind, reason = split(skipped)
    if not is_registered(test, skipped):
        held = test.skip if kind == "skip" else test.xfail
        other = f" (the lock registers `{held}`)" if held else ""
        return Verdict.FAILED, f"unregistered {kind}: {reason}{other}; {REGISTER}"
    if kind == "skip":
        return Verdict.UNSUPPORTED, reason
    tonight = "passed tonight: remove the mark" if kind == "xpass" else "failed as expected"
    return Verdict.QUARANTINED, f"xfail: {reason} (registered until {test.until or 'no date'}); {tonight}"


def overdue(tests: Iterable[CatalogueTest], today: date) -> tuple[CatalogueTest, ...]:
    """Give the tests whose expected failure was to be gone before today."""
    return tuple(test for test in tests if test.xfail and test.until and date.fromisoformat(test.until) < today)


def register(
    collected: SuiteCatalogue, locked: SuiteCatalogue | None, seen: Mapping[str, str], today: date
) -> SuiteCatalogue:
    """Give the catalogue to be locked, its skips and xfails registered: by their marks, or as `seen` in a run.

    What was learnt from an earlier run stays, and so does the date of an xfail: an update prolongs none.
    """
    before = locked.tests if locked else {}
    tests = {
        name: _register(test, before.get(name), seen.get(name, ""), today) for name, test in collected.tests.items()
    }
    return replace(collected, tests=tests)


def _register(test: CatalogueTest, before: CatalogueTest | None, seen: str, today: date) -> CatalogueTest:
    kind, reason = split(seen)
    if not (test.skip or test.xfail):
        if seen:
            is_skip = kind == "skip"
            test = replace(test, learnt=True, skip=reason if is_skip else "", xfail="" if is_skip else reason)
        elif before and before.learnt:
            test = replace(test, skip=before.skip, xfail=before.xfail, learnt=True)
    if not test.xfail:
        return test
    kept = before.until if before and before.xfail else ""
    return replace(test, until=kept or (today + timedelta(days=XFAIL_DAYS)).isoformat())
