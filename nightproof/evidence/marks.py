"""Marks of a collected test that replace a pass: skip, or expected failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from _pytest.skipping import evaluate_skip_marks
from _pytest.skipping import evaluate_xfail_marks

if TYPE_CHECKING:
    from _pytest.skipping import Skip
    from _pytest.skipping import Xfail

NO_REASON = "no reason given"


def marked_end(item: pytest.Item) -> dict[str, str]:
    """Return `skip` or `xfail` with its reason, as pytest and unittest would decide now; empty for a test that runs."""
    owners = [owner for owner in (getattr(item, "obj", None), getattr(item, "cls", None)) if owner is not None]
    for owner in owners:
        if getattr(owner, "__unittest_skip__", False):
            return {"skip": str(getattr(owner, "__unittest_skip_why__", "")) or NO_REASON}
    try:
        skipped: Skip | None = evaluate_skip_marks(item)
        xfailed: Xfail | None = evaluate_xfail_marks(item)
    except pytest.fail.Exception:
        return {}  # a condition that cannot be evaluated fails the test instead
    if skipped is not None:
        return {"skip": skipped.reason}
    if xfailed is not None:
        return {"xfail": xfailed.reason or NO_REASON}
    return {"xfail": NO_REASON} if any(getattr(it, "__unittest_expecting_failure__", False) for it in owners) else {}
