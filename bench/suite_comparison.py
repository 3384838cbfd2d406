"""Comparison of each test's outcome in plain pytest with its verdict from nightproof; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from statistics import median
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

ABSENT: Final = "absent"
AGREES: Final[dict[str, frozenset[str]]] = {
    "passed": frozenset({"passed", "hollow"}),
    "failed": frozenset({"failed", "timeout"}),
    "error": frozenset({"error", "failed", "timeout", "not_run"}),
    "skipped": frozenset({"unsupported"}),
    "xfailed": frozenset({"quarantined"}),
    "xpassed": frozenset({"quarantined"}),
}
SLOW_TEST_S: Final = 0.050  # from here on the ratio limit applies, below it the milliseconds per test
RATIO_LIMIT: Final = 1.3
PER_TEST_LIMIT_MS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Side:
    """One run of one side: each test's outcome and reason, and its times.

    `tests_s` is from the first test's start to the session's end, `cpu_s` the CPU seconds of all processes.
    """

    ends: Mapping[str, str]
    whys: Mapping[str, str]
    whole_s: float
    tests_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A test whose verdict does not match its outcome in plain pytest."""

    test: str
    plain: str
    ours: str
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a suite's rounds.

    `unstable` are the tests with several outcomes in plain pytest itself. `reached` are hollow tests that connected to
    another process, with its addresses.
    """

    suite: str
    version: str
    tests: int
    agree: int
    hollow: int
    disagreements: tuple[Disagreement, ...]
    unstable: tuple[str, ...]
    reached: Mapping[str, tuple[str, ...]]
    plain_s: float
    ours_s: float
    plain_tests_s: float
    ours_tests_s: float
    plain_cpu_s: float
    ours_cpu_s: float
    rounds: int
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Return the duration of a whole run with nightproof, as a multiple of plain pytest's."""
        return self.ours_s / self.plain_s if self.plain_s else 0.0

    @property
    def per_test_ms(self) -> float:
        """Return the milliseconds that nightproof adds per test, from the first test's start to the session's end."""
        return 1000 * (self.ours_tests_s - self.plain_tests_s) / self.tests if self.tests else 0.0

    @property
    def cpu_ratio(self) -> float:
        """Return the same ratio of CPU time, which does not depend on the machine's load."""
        return self.ours_cpu_s / self.plain_cpu_s if self.plain_cpu_s else 0.0

    @property
    def is_slow(self) -> bool:
        """Return whether a test takes at least 50 ms on average, so that the ratio limit applies."""
        return bool(self.tests) and self.plain_tests_s / self.tests >= SLOW_TEST_S

    @property
    def broken(self) -> tuple[str, ...]:
        """Return a sentence for each rule that the suite breaks."""
        found = [f"{one.test}: {one.plain} in plain pytest, {one.ours} here: {one.why}" for one in self.disagreements]
        found += [
            f"{test}: hollow, though it asked {', '.join(peers)}: right only where no answer came"
            for test, peers in self.reached.items()
        ]
        if self.is_slow and self.ratio > RATIO_LIMIT:
            found.append(f"a run takes {self.ratio:.2f} times as long: the limit is {RATIO_LIMIT}")
        if not self.is_slow and self.per_test_ms > PER_TEST_LIMIT_MS:
            found.append(f"a test takes {self.per_test_ms:.2f} ms more: the limit is {PER_TEST_LIMIT_MS} ms")
        return tuple(found)


def compare(
    suite: str, version: str, plain: Sequence[Side], ours: Sequence[Side], peers: Mapping[str, tuple[str, ...]]
) -> Comparison:
    """Return the comparison of all rounds; the verdict of every nightproof round must match plain pytest."""
    names = sorted({name for side in (*plain, *ours) for name in side.ends})
    unstable = tuple(name for name in names if len({side.ends.get(name, ABSENT) for side in plain}) > 1)
    stable = [name for name in names if name not in set(unstable)]
    wrong = [one for name in stable if (one := _disagreement(name, plain[0].ends.get(name, ABSENT), ours)) is not None]
    hollow = [name for name in stable if any(side.ends.get(name) == "hollow" for side in ours)]
    kinds: dict[str, int] = {}
    for one in wrong:
        kind = f"{one.plain} → {one.ours}"
        kinds[kind] = kinds.get(kind, 0) + 1
    return Comparison(
        suite=suite,
        version=version,
        tests=len(names),
        agree=len(stable) - len(wrong),
        hollow=len(hollow),
        disagreements=tuple(wrong),
        unstable=unstable,
        reached={name: peers[name] for name in hollow if name in peers},
        plain_s=median(side.whole_s for side in plain),
        ours_s=median(side.whole_s for side in ours),
        plain_tests_s=median(side.tests_s for side in plain),
        ours_tests_s=median(side.tests_s for side in ours),
        plain_cpu_s=median(side.cpu_s for side in plain),
        ours_cpu_s=median(side.cpu_s for side in ours),
        rounds=len(plain),
        kinds=kinds,
    )


def _disagreement(name: str, plain: str, ours: Sequence[Side]) -> Disagreement | None:
    """Return the first verdict that does not match, or None; a test that only one side knows never matches."""
    for side in ours:
        verdict = side.ends.get(name, ABSENT)
        if verdict not in AGREES.get(plain, frozenset()):
            return Disagreement(name, plain, verdict, side.whys.get(name, ""))
    return None


HEAD: Final = (
    "suite", "version", "tests", "agree", "disagree", "unstable in plain", "hollow", "asked another process",
    "plain s", "nightproof s", "ratio", "CPU ratio", "ms per test more",
)  # fmt: skip


def row(one: Comparison) -> tuple[str, ...]:
    """Return the cells of a comparison, for a table with `HEAD`."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(one.kinds.items()))
    counts = (one.tests, one.agree, kinds or 0, len(one.unstable), one.hollow, len(one.reached))
    times = (
        f"{one.plain_s:.2f}",
        f"{one.ours_s:.2f}",
        f"{one.ratio:.2f}",
        f"{one.cpu_ratio:.2f}",
        f"{one.per_test_ms:.2f}",
    )
    return (one.suite, one.version, *map(str, counts), *times)
