"""Failures grouped by cause, so that one cause is one line and keeps its id over nights.

Failures with the same normalised message have one cause if the message has words of its own. A comparison of bare
values, or one of Python's own errors, tells only the kind of mistake. Such failures have one cause only if the same
exchange with the system failed, or else the same line of the suite.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Attempt
from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

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
# The words of a comparison itself: pytest's rewritten assert, unittest's phrases.
_COMPARISON: Final = re.compile(r"^(\w+\.)*(AssertionError|Failed)?:? ?assert\b")
_PHRASES: Final = frozenset(
    {
        "and", "difference", "differ", "differs", "dicts", "element", "equal", "expected", "first", "found", "got",
        "greater", "has", "have", "in", "is", "items", "less", "lists", "match", "none", "not", "or", "places",
        "raise", "regex", "sets", "than", "to", "true", "false", "tuples", "unexpectedly", "want", "was", "within",
    }
)  # fmt: skip
# Python errors that name nothing of the system: the same words in two places are two causes.
_SLIPS: Final = re.compile(r"^(IndexError|TypeError|ZeroDivisionError|UnboundLocalError)\b|'NoneType' object")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`""")
_PLACEHOLDER: Final = re.compile(r"<\w+>")
_TELLING: Final = 2  # words of an assertion's own message that make it a cause


@dataclass(frozen=True, slots=True)
class Cluster:
    """Failures of one cause; `id` is stable over nights, `text` is the normalised message."""

    id: str
    text: str
    tests: tuple[TestVerdict, ...]

    @property
    def message(self) -> str:
        """The original message of the first test: placeholders are for grouping, not for reading."""
        return " ".join(failure_text(self.tests[0]).split())


def last_failure(test: TestVerdict) -> Attempt | None:
    """Return the last attempt that did not pass; None for hollow tests and skips, whose reason says more."""
    failing = [attempt for attempt in test.attempts if attempt.outcome is not Outcome.PASSED]
    is_told = test.verdict is Verdict.HOLLOW or test.reason.startswith("unregistered ")
    return failing[-1] if failing and not is_told else None


def failure_text(test: TestVerdict) -> str:
    """Return the first line of the last failing attempt's message, or of the verdict's reason."""
    failed = last_failure(test)
    text = failed.message if failed else test.reason
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else test.reason or test.verdict.value


def normalise(message: str) -> str:
    """Replace everything that differs from night to night (times, ids, hosts, paths, numbers) by placeholders."""
    for pattern, placeholder in _PLACEHOLDERS:
        message = pattern.sub(placeholder, message)
    return " ".join(message.split())


def is_telling(message: str) -> bool:
    """Return whether a message has words that name its cause, beyond bare values or an error's kind."""
    if _COMPARISON.match(message) or _SLIPS.search(message):
        return False
    kind, colon, said = message.partition(":")
    told = _PLACEHOLDER.sub(" ", normalise(said))
    if kind == "AssertionError":
        return len({word.lower() for word in _WORD.findall(_QUOTED.sub(" ", told))} - _PHRASES) >= _TELLING
    return not colon or any(letter.isalpha() for letter in told)


def clusters(tests: Iterable[TestVerdict]) -> tuple[Cluster, ...]:
    """Return the clusters of all failures, largest first; a similar message joins the first cluster seen."""
    grouped: dict[tuple[str, str], list[TestVerdict]] = {}
    parts: dict[tuple[str, str], frozenset[str]] = {}
    for test in tests:
        if test.verdict in FAILURES:
            text = failure_text(test)
            key = (normalise(text), "" if is_telling(text) else _anchor(test))
            mine = frozenset(key[0].split())
            home = key if key in grouped else next((known for known in parts if _joins(known, parts, key, mine)), key)
            parts.setdefault(home, mine)
            grouped.setdefault(home, []).append(test)
    found = [Cluster(_id(*key), key[0], tuple(members)) for key, members in grouped.items()]
    return tuple(sorted(found, key=lambda cluster: (-len(cluster.tests), cluster.text, cluster.id)))


def _anchor(test: TestVerdict) -> str:
    """Return the key that groups failures without telling words: the failed exchange, else the place."""
    failed = last_failure(test)
    function = test.id.partition("[")[0]
    if failed is None:
        return function
    return normalise(failed.exchange) or failed.where or function


def _id(text: str, anchor: str) -> str:
    return hashlib.sha256("\n".join([text, anchor] if anchor else [text]).encode()).hexdigest()[:8]


def _joins(
    known: tuple[str, str], parts: Mapping[tuple[str, str], frozenset[str]], key: tuple[str, str], mine: frozenset[str]
) -> bool:
    if key[1] or known[1]:  # without telling words only the place decides; messages at one place differ only in values
        return key[1] == known[1]
    return len(parts[known] & mine) / max(1, len(parts[known] | mine)) >= SIMILAR
