"""Shared by all benchmarks: sign-in, percentiles, and tables with ratios beside absolute times."""

from __future__ import annotations

import os
from statistics import median
from typing import TYPE_CHECKING
from typing import Any

from nightproof.quilt import Timeouts
from nightproof.quilt import create_quilt_ops
from nightproof.quilt.tokens import credentials_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nightproof.quilt import QuiltOps


def setting(name: str) -> str:
    """Return a variable of the target; a missing one ends the benchmark with the remedy."""
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"The variable `{name}` is not set: export what `nightproof testbed` prints, then run again.")
    return value


def sign_in(backend: str) -> QuiltOps:
    """Return a backend, signed in as the test user."""
    return create_quilt_ops(
        backend,
        catalog_url=setting("QUILT_TEST_CATALOG_URL"),
        registry=setting("QUILT_TEST_REGISTRY_URL"),
        credentials=credentials_of(setting("QUILT_TEST_REFRESH_TOKEN"), os.environ.get("NIGHTPROOF_TOKENS")),
        timeouts=Timeouts(read_s=300, write_s=300, browse_s=300),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share (0 to 1) of the values lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return float(median(values))


def ratio(one: float, other: float) -> str:
    """Return how many times as long `one` takes as `other`, as text."""
    return f"{one / other:.2f}" if other else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
