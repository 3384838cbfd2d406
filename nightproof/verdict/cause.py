"""Say in one sentence of at most 150 characters why the night has its colour: the first rule that explains it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import CAUSE_LIMIT
from nightproof.records import Colour
from nightproof.records import Gate
from nightproof.records import Rate
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.verdict.clusters import FAILURES
from nightproof.verdict.clusters import clusters

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

ONE_CAUSE: Final = 0.6
NAMED_TESTS: Final = 3


@dataclass(frozen=True, slots=True)
class CauseFacts:
    """What a cause is made from."""

    colour: Colour | None
    tests: Sequence[TestVerdict]
    gates: Sequence[Gate] = ()
    interrupted: str | None = None
    blocked: str = ""
    violations: Sequence[str] = ()
    system_deaths: Sequence[str] = ()
    unknown: Sequence[str] = ()
    build: str = ""


def cause(facts: CauseFacts) -> str:
    """Give the sentence; empty when the night is GREEN. The same facts give the same words."""
    if facts.interrupted:
        return fit([_interrupted(facts)])
    if facts.colour is Colour.BLOCKED:
        return fit([facts.blocked])
    if facts.colour is Colour.RED:
        return fit(_red(facts))
    return fit(_amber(facts)) if facts.colour is Colour.AMBER else ""


def fit(candidates: Iterable[str], limit: int = CAUSE_LIMIT) -> str:
    """Give the first candidate that fits, else the last one cut in its middle."""
    text = ""
    for candidate in candidates:
        text = " ".join(candidate.split())
        if len(text) <= limit:
            return text
    head = (limit - 3) * 2 // 3
    return f"{text[:head].rstrip()} … {text[len(text) - (limit - 3 - head) :].lstrip()}"


def short_name(test: TestVerdict) -> str:
    """Name a test the way a sentence can carry it: its function and, unless there is only one, its backend."""
    name = test.id.rpartition("::")[2]
    return name if test.backend == "default" else f"{name} ({test.backend})"


def _interrupted(facts: CauseFacts) -> str:
    how = "was cancelled" if facts.interrupted == "cancelled" else f"was interrupted by {facts.interrupted}"
    asked = sum(bool(test.attempts) for test in facts.tests)
    return f"The night {how} after {asked} of {len(facts.tests)} tests had run."


def _red(facts: CauseFacts) -> list[str]:
    if facts.violations:
        number = len(facts.violations)
        return [f"The report does not add up ({number} of its own checks violated): {facts.violations[0]}"]
    failures = [test for test in facts.tests if test.verdict in FAILURES]
    if failures:
        return _failures(facts, failures)
    blocked = [test for test in facts.tests if test.verdict is Verdict.BLOCKED]
    if blocked:
        return [f"{_of(len(blocked), facts.tests)} blocked: {blocked[0].reason}"]
    number = len(facts.unknown) or int(_gate_number(facts.gates, "unknown"))
    named = f": {facts.unknown[0]}" if facts.unknown else ""
    return [f"{number} resource{_s(number)} of tonight in no ledger{named}."]


def _failures(facts: CauseFacts, failures: list[TestVerdict]) -> list[str]:
    counted = _counted(facts.tests, failures)
    new = sum(test.new for test in failures)
    since = _since(new, len(failures), facts.build)
    names = ", ".join(short_name(test) for test in failures)
    largest = clusters(failures)[0]
    share = len(largest.tests) / len(failures)
    deaths = " and ".join(facts.system_deaths)
    if deaths:
        return [f"The {deaths} died during the night: {counted}{since}.", f"The {deaths} died: {counted}."]
    candidates = []
    if len(failures) <= NAMED_TESTS:
        candidates += [f"{counted}: {names}: {largest.text}{since}."] if share == 1 else []
        candidates += [f"{counted}: {names}{since}.", f"{counted}: {names}."]
        return [*candidates, f"{counted}: {_cut_names(failures)}."]
    if share >= ONE_CAUSE:
        one = f"one cause explains {len(largest.tests)}"
        text = fit([largest.text], CAUSE_LIMIT - len(f"{counted}, {one}: {since}.") - 1)
        return [f"{counted}, {one}: {text}{since}.", f"{counted}, {one}: {largest.text}"]
    return [f"{counted}, {_spread(facts.tests, failures)}{since}.", f"{counted}, {_spread(facts.tests, failures)}."]


def _spread(tests: Sequence[TestVerdict], failures: list[TestVerdict]) -> str:
    for attribute, word in (("backend", "backend"), ("category", "category")):
        there = {getattr(test, attribute) for test in tests}
        hit = {getattr(test, attribute) for test in failures}
        if len(hit) == 1 < len(there):
            return f"all on {word} {hit.pop()}"
    number = len(clusters(failures))
    return f"{number} unrelated causes"


def _counted(tests: Sequence[TestVerdict], failures: list[TestVerdict]) -> str:
    kinds = Counter(test.verdict.value.replace("_", " ") for test in failures)
    if len(kinds) == 1:
        kind = next(iter(kinds))
        return f"{_of(len(failures), tests)} {_state(kind)}"
    listed = ", ".join(f"{kinds[verdict]} {verdict}" for verdict in _in_order(kinds))
    return f"{_of(len(failures), tests)} did not pass ({listed})"


def _in_order(kinds: Counter[str]) -> list[str]:
    return [name for name in (verdict.value.replace("_", " ") for verdict in FAILURES) if name in kinds]


def _state(kind: str) -> str:
    return {"error": "ended in error", "timeout": "timed out", "hollow": "passed hollow"}.get(kind, kind)


def _of(number: int, tests: Sequence[TestVerdict]) -> str:
    of = sum(test.verdict is not Verdict.UNSUPPORTED for test in tests)
    return f"{number} of {of} tests"


def _since(new: int, failures: int, build: str) -> str:
    since = f" since build {build}" if build else ""
    if new == failures:
        return f", {'all ' if new > 1 else ''}new{since}"
    return f", {new} new{since}" if new else ", none new"


def _cut_names(failures: list[TestVerdict]) -> str:
    more = f", +{len(failures) - 1} more" if len(failures) > 1 else ""
    return f"{short_name(failures[0])[:60]}{more}"


def _amber(facts: CauseFacts) -> list[str]:
    parts = [text for gate in facts.gates if gate.state == "broken" for text in [_gate_text(gate, facts)] if text]
    whole = "; ".join(parts)
    return [f"{whole}.", f"{parts[0]}; +{len(parts) - 1} more." if len(parts) > 1 else whole]


def _gate_text(gate: Gate, facts: CauseFacts) -> str:
    value = int(_number(gate))
    flaky = [short_name(test) for test in facts.tests if test.verdict is Verdict.FLAKY]
    below = [short_name(test) for test in facts.tests if test.verdict in {*FAILURES, Verdict.BLOCKED}]
    limit = gate.limit.n if isinstance(gate.limit, Rate) else gate.limit
    texts = {
        "flaky": f"{_of(value, facts.tests)} flaky, {limit} allowed{_some(flaky)}",
        "quarantine": f"{_of(value, facts.tests)} in quarantine, {limit} allowed",
        "quarantine_overdue": f"{value} quarantine entr{'y' if value == 1 else 'ies'} past the expiry date",
        "tolerated": f"{_of(value, facts.tests)} did not pass, within the gate of the tier{_some(below)}",
        "leaked": f"{value} resource{_s(value)} leaked, left to the next sweep",
        "cost": f"cost {_number(gate):.2f} USD over its gate of {limit:.2f} USD",
        "wall": f"wall time {value} s over its gate of {limit:.0f} s",
    }
    return texts.get(gate.name, "")


def _some(names: list[str]) -> str:
    return f": {', '.join(names)}" if 0 < len(names) <= NAMED_TESTS else ""


def _number(gate: Gate) -> float:
    return float(gate.value.n) if isinstance(gate.value, Rate) else float(gate.value or 0)


def _gate_number(gates: Iterable[Gate], name: str) -> float:
    return next((_number(gate) for gate in gates if gate.name == name), 0.0)


def _s(number: int) -> str:
    return "" if number == 1 else "s"
