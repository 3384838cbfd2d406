"""Comparison of one test's observations on two backends: equal, different, or on one side only.

Observations pair by operation and input in their order, so that an extra call on one side shifts no other pair. A test
that did not pass on one side is not compared: its failure is reported anyway.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from dataclasses import field
from itertools import pairwise
from itertools import zip_longest
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.side_by_side import Consistency
from nightproof.side_by_side import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    from nightproof.runner.events import Observation

    Seen = Mapping[str, Sequence[Observation]]

SHOWN: Final = 300  # characters of an answer around the first difference
BEFORE: Final = 80


def compare(tests: Iterable[TestVerdict], seen: Mapping[tuple[str, str], Seen]) -> tuple[Consistency, ...]:
    """Compare the backends of each suite that has several; `seen` holds the observations by (suite, backend)."""
    by_suite: dict[str, dict[str, dict[str, TestVerdict]]] = defaultdict(lambda: defaultdict(dict))
    for test in tests:
        by_suite[test.suite][test.backend][test.id] = test
    return tuple(
        _suite(suite, (one, other), by_suite[suite], seen)
        for suite in sorted(by_suite)
        for one, other in pairwise(by_suite[suite])
    )


@dataclass(slots=True)
class _Counts:
    observed: list[int] = field(default_factory=lambda: [0, 0])
    tests: int = 0
    equal: int = 0
    one_side: int = 0
    differences: list[Difference] = field(default_factory=list)


def _suite(
    suite: str,
    backends: tuple[str, str],
    verdicts: Mapping[str, Mapping[str, TestVerdict]],
    seen: Mapping[tuple[str, str], Seen],
) -> Consistency:
    counts = _Counts()
    first, second = (verdicts[backend] for backend in backends)
    for test_id in sorted(first.keys() & second.keys()):
        both = (first[test_id], second[test_id])
        if any(test.verdict is Verdict.UNSUPPORTED for test in both):
            continue  # the test never ran on the other side
        sides = tuple(seen.get((suite, backend), {}).get(test_id, ()) for backend in backends)
        counts.observed = [number + len(side) for number, side in zip(counts.observed, sides, strict=True)]
        if all(_is_told(test) for test in both):
            _test(test_id, backends, sides, counts)
        else:
            counts.one_side += sum(len(side) for side in sides)
    return Consistency(
        suite=suite,
        backends=backends,
        observed=(counts.observed[0], counts.observed[1]),
        tests=counts.tests,
        equal=counts.equal,
        differs=len(counts.differences),
        one_side=counts.one_side,
        differences=tuple(counts.differences),
    )


def _is_told(test: TestVerdict) -> bool:
    """Return whether a test's last attempt passed, so that its observations are complete."""
    return bool(test.attempts) and test.attempts[-1].outcome is Outcome.PASSED


def _test(test_id: str, backends: tuple[str, str], sides: tuple[Sequence[Observation], ...], counts: _Counts) -> None:
    groups = [_grouped(side) for side in sides]
    pairs = 0
    for key in dict.fromkeys([*groups[0], *groups[1]]):
        for one, other in zip_longest(groups[0].get(key, ()), groups[1].get(key, ())):
            if one is None or other is None:
                counts.one_side += 1
                continue
            pairs += 1
            if one[1].output_sha256 == other[1].output_sha256:
                counts.equal += 1
            else:
                counts.differences.append(_difference(test_id, backends, one, other[1]))
    counts.tests += bool(pairs)


def _grouped(side: Sequence[Observation]) -> dict[tuple[str, str], list[tuple[int, Observation]]]:
    groups: dict[tuple[str, str], list[tuple[int, Observation]]] = defaultdict(list)
    for step, seen in enumerate(side, start=1):
        groups[seen.operation, seen.input_sha256].append((step, seen))
    return groups


def _difference(
    test_id: str, backends: tuple[str, str], one: tuple[int, Observation], other: Observation
) -> Difference:
    step, seen = one
    place = next((i for i, (a, b) in enumerate(zip_longest(seen.output, other.output)) if a != b), len(seen.output))
    answers = {name: _around(text, place) for name, text in zip(backends, (seen.output, other.output), strict=True)}
    return Difference(test_id, step, seen.operation, seen.input[:SHOWN], answers)


def _around(text: str, place: int) -> str:
    """Return the text around the first difference; past the kept part of an answer there is nothing to show."""
    if place >= len(text):
        return f"…{text[-BEFORE:]} (it goes on differently)"
    begin = max(0, place - BEFORE)
    return f"{'…' * (begin > 0)}{text[begin : begin + SHOWN]}{'…' * (begin + SHOWN < len(text))}"
