"""The gates: every threshold of the colour table with its value, its limit and its state."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING
from typing import Final
from typing import Literal

from nightproof.records import Colour
from nightproof.records import Gate
from nightproof.records import Rate
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.verdict.exits import UNCLEAN
from nightproof.verdict.exits import UNEXPLAINED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

    from nightproof.profile import Gates
    from nightproof.records import LedgerAudit
    from nightproof.side_by_side import Consistency
    from nightproof.side_by_side import Finding

GateColour = Literal[Colour.AMBER, Colour.RED]
EXITS: Final[dict[str, GateColour]] = {UNEXPLAINED: Colour.RED, UNCLEAN: Colour.AMBER}
_OUTSIDE_TIERS: Final = frozenset({Verdict.UNSUPPORTED, Verdict.QUARANTINED})
_GOOD: Final = frozenset({Verdict.PASSED, Verdict.FLAKY})
_BELOW: Final = frozenset({Verdict.FAILED, Verdict.ERROR, Verdict.TIMEOUT, Verdict.BLOCKED})


def reaches(rate: Rate, limit: float) -> bool:
    """Return whether a rate is above its gate; a full rate always is, so a gate of 1.0 means every test."""
    return rate.n == rate.of or Fraction(rate.n, rate.of) > Fraction(str(limit))


def tier_rate(tests: Iterable[TestVerdict]) -> Rate:
    """Return the rate after retry, without unsupported and quarantined tests."""
    counted = [test for test in tests if test.verdict not in _OUTSIDE_TIERS]
    return Rate(sum(test.verdict in _GOOD for test in counted), len(counted))


def is_broken(gate: Gate) -> bool:
    """Return whether a gate is broken: a tier's rate must stay above its limit, any other value must not exceed it."""
    if gate.value is None:
        return False
    if isinstance(gate.value, Rate):
        if isinstance(gate.limit, Rate):
            return gate.value.n > gate.limit.n
        return not reaches(gate.value, gate.limit)
    return gate.value > (gate.limit.n if isinstance(gate.limit, Rate) else gate.limit)


def tier_gates(tests: Iterable[TestVerdict], limits: Gates, *, asked: bool = True) -> tuple[Gate, ...]:
    """Return one gate per suite, backend and tier that has tests; not measured if no test ran."""
    groups: dict[tuple[str, str, Tier], list[TestVerdict]] = {}
    for test in tests:
        groups.setdefault((test.suite, test.backend, test.tier), []).append(test)
    order = list(Tier)
    keys = sorted(groups, key=lambda key: (key[0], key[1], order.index(key[2])))
    return tuple(_tier_gate(*key, groups[key], float(getattr(limits, key[2].value)), asked=asked) for key in keys)


def _tier_gate(
    suite: str, backend: str, tier: Tier, tests: Sequence[TestVerdict], limit: float, *, asked: bool
) -> Gate:
    rate = tier_rate(tests)
    if not asked or not rate.of:
        return Gate(tier.value, suite, backend, None, limit, "not_measured", Colour.RED)
    return Gate(tier.value, suite, backend, rate, limit, "ok" if reaches(rate, limit) else "broken", Colour.RED)


def run_gates(
    tests: Sequence[TestVerdict],
    limits: Gates,
    *,
    ledger: LedgerAudit | None,
    overdue: int,
    night_usd: float | None,
    wall_s: float | None,
    compared: Sequence[Consistency] = (),
    ends: Sequence[Finding] = (),
    asked: bool = True,
) -> tuple[Gate, ...]:
    """Return the gates of the whole run; a value of None means not measured."""
    counted = sum(test.verdict is not Verdict.UNSUPPORTED for test in tests)
    measured = asked and counted > 0
    gates = [
        _count("hollow", _number(tests, Verdict.HOLLOW) if measured else None, 0, Colour.RED),
        _count("not_run", _number(tests, Verdict.NOT_RUN) if measured else None, 0, Colour.RED),
        _share("flaky", _number(tests, Verdict.FLAKY), counted, max(1, _floor(limits.flaky, counted)), asked=measured),
        _share(
            "quarantine",
            _number(tests, Verdict.QUARANTINED),
            counted,
            _floor(limits.quarantine, counted),
            asked=measured,
        ),
        _count("quarantine_overdue", overdue, 0, Colour.AMBER),
        _count("tolerated", _tolerated(tests) if measured else None, 0, Colour.AMBER),
        _count("leaked", ledger.leaked if ledger else None, 0, Colour.AMBER),
        _count("unknown", ledger.unknown if ledger else None, 0, Colour.RED),
    ]
    if compared:  # a suite has several backends
        told = any(one.equal or one.differs for one in compared)
        gates.append(_count("differences", sum(one.differs for one in compared) if told else None, 0, Colour.RED))
    for name, colour in EXITS.items():  # a gate only where a process ended oddly
        if number := sum(end.kind == name for end in ends):
            gates.append(_count(name, number, 0, colour))
    for name, value, limit in (("cost", night_usd, limits.cost_usd), ("wall", wall_s, limits.wall_s)):
        if limit is not None:
            gates.append(_count(name, value, limit, Colour.AMBER))
    return tuple(gates)


def _tolerated(tests: Iterable[TestVerdict]) -> int:
    """Return the number of gating tests that did not pass; those within their tier's gate still show as AMBER."""
    return sum(test.verdict in _BELOW for test in tests)


def _number(tests: Iterable[TestVerdict], verdict: Verdict) -> int:
    return sum(test.verdict is verdict for test in tests)


def _floor(share: float, of: int) -> int:
    return int(Fraction(str(share)) * of)


def _share(name: str, n: int, of: int, allowed: int, *, asked: bool) -> Gate:
    limit = Rate(min(allowed, of), of)
    if not asked:
        return Gate(name, None, None, None, limit, "not_measured", Colour.AMBER)
    return Gate(name, None, None, Rate(n, of), limit, "broken" if n > allowed else "ok", Colour.AMBER)


def _count(name: str, value: float | None, limit: float, colour: GateColour) -> Gate:
    if value is None:
        return Gate(name, None, None, None, float(limit), "not_measured", colour)
    return Gate(name, None, None, float(value), float(limit), "broken" if value > limit else "ok", colour)
