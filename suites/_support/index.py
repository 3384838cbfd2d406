"""Waits for the search index, the one read that may lag behind a write, and notes the lag."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.evidence import note
from suites._support.settings import settings
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt import QuiltOps

BOUND_S: Final = {"embedded": 30, "live": 180}
EVERY_S: Final = 0.5


def await_index(ask: Callable[[], Any], expected: Any, *, since: float) -> None:
    """Poll until `ask` returns exactly `expected`; note the lag in seconds and the number of polls.

    `since` is the monotonic time at which the write ended. Raises TimeoutError after 30 s (embedded target) or 180 s
    (live target), times the time factor.
    """
    answers: list[Any] = []

    def is_there() -> bool:
        answers.append(ask())
        return bool(answers[-1] == expected)

    bound_s = BOUND_S[os.environ.get("NIGHTPROOF_TARGET", "embedded")] * settings().time_factor
    try:
        wait_for("the search index", is_there, deadline_s=bound_s, every_s=EVERY_S)
    except TimeoutError as error:
        raise TimeoutError(f"index lag > bound: after {bound_s} s the search gave {answers[-1]!r}") from error
    note("index_lag_s", round(time.monotonic() - since, 3))
    note("index_polls", len(answers))


def found_packages(quilt_ops: QuiltOps, query: str, registry: str) -> list[tuple[Any, ...]]:
    """Return what the index must hold of each hit: name, top hash, description, tags and message."""
    hits = quilt_ops.search_packages(query, registry)
    return [(hit.name, hit.top_hash, hit.description, hit.tags, hit.message) for hit in hits]
