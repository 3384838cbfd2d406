"""Skips and expected failures that a suite's lock registers, and their verdicts in a night."""

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
XFAIL_DAYS: Final = 90  # an expected failure is a debt: after this many days it colours the night AMBER
REGISTER: Final = (
    "register it with `nightproof catalogue --update --from-run latest` and the profile of this night,"
    " and commit the lock"
)


def split(skipped: str) -> tuple[str, str]:
    """Return kind (`skip`, `xfail`, `xpass`) and reason of a log's skip."""
    kind, _, reason = skipped.partition(": ")
    return kind, " ".join(reason.removeprefix("Skipped: ").split())


def is_registered(test: CatalogueTest, skipped: str) -> bool:
    """Return whether the lock holds exactly this reason: nobody has reviewed any other."""
    kind, reason = split(skipped)
    held = {"skip": test.skip, "xfail": test.xfail, "xpass": test.xfail}.get(kind, "")
    return bool(held) and " ".join(held.split()) == reason


def of_skip(test: CatalogueTest, skipped: str) -> tuple[Verdict, str]:
    """Return verdict and reason of a test that was skipped or marked as an expected failure."""
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
    """Return the tests whose expected failure should have been gone before today."""
    return tuple(test for test in tests if test.xfail and test.until and date.fromisoformat(test.until) < today)


def register(
    collected: SuiteCatalogue, locked: SuiteCatalogue | None, seen: Mapping[str, str], today: date
) -> SuiteCatalogue:
    """Return the catalogue for the lock, with skips and xfails registered by their marks or as `seen` in a run.

    Reasons learnt from an earlier run are kept, and so is the date of an xfail: an update never extends it.
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
