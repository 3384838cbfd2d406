"""Group failures by their normalised message, so that one cause reads as one line and keeps its id over nights."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILURES: Final = (Verdict.FAILED, Verdict.ERROR, Verdict.TIMEOUT, Verdict.HOLLOW, Verdict.NOT_RUN)
SIMILAR: Final = 0.7
_PLACEHOLDERS: Final = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\d{8}T\d{6}Z-[a-z0-9]{6}"), "<run>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<address>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\b\d+(\.\d+){3}(:\d+)?\b|\blocalhost:\d+\b"), "<host>"),
    # With its comparison: "Timeout (>60.0s)" must not read "(><duration>)".
    (re.compile(r"([<>]=?\s?)?\b\d+(\.\d+)?\s?(ms|s|seconds?|minutes?)\b"), "<duration>"),
    # Not behind "s3:/" or "https:/": which bucket or host refused is part of the cause.
    (re.compile(r"(?<![\w</:])(/[\w.@-]+){2,}"), "<path>"),
    (re.compile(r"(?i)\b(request[ _-]?id[\s:=#\"']+)[^\s<]\S*"), r"\1<id>"),
    (re.compile(r"(?<![A-Za-z\d])\d+"), "<n>"),  # not in words: s3, quilt3, sha256
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Failures with one normalised message; `id` is stable over nights."""

    id: str
    text: str
    tests: tuple[TestVerdict, ...]


def failure_text(test: TestVerdict) -> str:
    """Give the one line that says why a test did not pass: of the last failing attempt, else the reason."""
    failing = [attempt for attempt in test.attempts if attempt.outcome is not Outcome.PASSED]
    text = failing[-1].message if failing and test.verdict is not Verdict.HOLLOW else test.reason
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else test.reason or test.verdict.value


def normalise(message: str) -> str:
    """Replace what differs from night to night (times, ids, hosts, paths, numbers) by placeholders."""
    for pattern, placeholder in _PLACEHOLDERS:
        message = pattern.sub(placeholder, message)
    return " ".join(message.split())


def clusters(tests: Iterable[TestVerdict]) -> tuple[Cluster, ...]:
    """Give the clusters of everything that failed, largest first; similar messages join the first one seen."""
    grouped: dict[str, list[TestVerdict]] = {}
    parts: dict[str, frozenset[str]] = {}
    for test in tests:
        if test.verdict in FAILURES:
            key = normalise(failure_text(test))
            mine = frozenset(key.split())
            home = key if key in grouped else next((known for known in grouped if _similar(parts[known], mine)), key)
            parts.setdefault(home, mine)
            grouped.setdefault(home, []).append(test)
    found = [
        Cluster(hashlib.sha256(text.encode()).hexdigest()[:8], text, tuple(members))
        for text, members in grouped.items()
    ]
    return tuple(sorted(found, key=lambda cluster: (-len(cluster.tests), cluster.text)))


def _similar(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) / max(1, len(one | other)) >= SIMILAR
