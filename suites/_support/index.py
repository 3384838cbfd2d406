"""Wait for the search index, and note how late it was: search is the one read that may lag behind a write."""

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
    """Ask until the answer is the whole expected one; note the lag since the write's end, a monotonic time."""
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
    """Search packages and give of each what an index must have right: name, hash, description, tags, message."""
    hits = quilt_ops.search_packages(query, registry)
    return [(hit.name, hit.top_hash, hit.description, hit.tags, hit.message) for hit in hits]
