"""Notes of tests beside their verdicts: findings as sentences, figures as minimum, median and maximum."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING
from typing import Any

from nightproof.evidence.notes import FINDING
from nightproof.side_by_side import Finding
from nightproof.side_by_side import Measure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    # suite and backend, with the properties of each of its tests
    Noted = tuple[tuple[str, str], Mapping[str, Sequence[tuple[str, Any]]]]


def findings(noted: Iterable[Noted]) -> tuple[Finding, ...]:
    """Return every finding, in the order of test ids within a cell."""
    return tuple(
        Finding(str(value["kind"]), suite, backend, test, str(value["detail"]))
        for (suite, backend), tests in noted
        for test, properties in sorted(tests.items())
        for name, value in properties
        if name == FINDING and isinstance(value, dict)
    )


def measures(noted: Iterable[Noted]) -> tuple[Measure, ...]:
    """Return minimum, median and maximum of every figure, per suite and backend; other properties are skipped."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (suite, backend), tests in noted:
        for properties in tests.values():
            for name, value in properties:
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found[name, suite, backend].append(float(value))
    return tuple(
        Measure(*key, len(values), min(values), round(median(values), 6), max(values))
        for key, values in sorted(found.items())
    )
