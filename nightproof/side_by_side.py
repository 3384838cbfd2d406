"""Records beyond verdicts: the support matrix, the comparison of backends, findings and measures."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from nightproof.record_types import CONFIG
from nightproof.record_types import Count
from nightproof.record_types import Seconds


class Support(StrEnum):
    """What a cell of the support matrix says; the first that holds, in this order."""

    NOT_RUN = "not run"
    FAILING = "failing"
    TIMING_OUT = "timing out"
    FLAKY = "flaky"
    BY_DESIGN = "unsupported by design"
    UNSUPPORTED = "unsupported here"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True, config=CONFIG)
class SupportRow:
    """What of one category, or of one file, of a suite works on one backend."""

    suite: str
    category: str
    file: str | None
    backend: str
    status: Support
    passed: Count
    total: Count
    unsupported: Count
    median_s: Seconds | None
    worst_server_ms: Seconds | None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Difference:
    """One answer that two backends gave differently; `step` counts the observations of the test on the first."""

    test: str
    step: Annotated[int, Field(ge=1)]
    operation: str
    input: str
    answers: dict[str, str]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Consistency:
    """The comparison of what the tests of one suite saw on two backends: what only one of them saw is no agreement."""

    suite: str
    backends: tuple[str, str]
    observed: tuple[Count, Count]
    tests: Count
    equal: Count
    differs: Count
    one_side: Count
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Finding:
    """What a test found and a reader should know although it fails nothing."""

    kind: str
    suite: str
    backend: str
    test: str
    detail: str


@dataclass(frozen=True, slots=True, config=CONFIG)
class Measure:
    """A figure that tests of one suite noted on one backend: over `n` notes."""

    name: str
    suite: str
    backend: str
    n: Annotated[int, Field(ge=1)]
    min: float
    median: float
    max: float
