"""The cause of a night's colour in one sentence of at most 150 characters; the first rule that explains it decides."""

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
from nightproof.verdict.clusters import Cluster
from nightproof.verdict.clusters import clusters
from nightproof.verdict.exits import UNCLEAN
from nightproof.verdict.outcomes import NO_EVENT
from nightproof.verdict.sentences import fit
from nightproof.verdict.sentences import listed
from nightproof.verdict.sentences import plural
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

    from nightproof.side_by_side import Consistency

ONE_CAUSE: Final = 0.6
NAMED_TESTS: Final = 3
BUILDS_LIMIT: Final = 60
HOLLOW_REMEDIES: Final = {
    "no assertion was executed": "declare its `helpers`, or call checked()",
    "no answer from the system under test": "name its address in [endpoints.urls] or `hosts`",
}
HARNESS: Final = "The harness failed: "


@dataclass(frozen=True, slots=True)
class CauseFacts:
    """The facts of a cause.

    `builds` are those that changed since the last counted night; `first` means that there is no such night, so that
    nothing can be called new.
    """

    colour: Colour | None
    tests: Sequence[TestVerdict]
    gates: Sequence[Gate] = ()
    interrupted: str | None = None
    blocked: Sequence[str] = ()
    violations: Sequence[str] = ()
    system_deaths: Sequence[str] = ()
    unknown: Sequence[str] = ()
    builds: Sequence[str] = ()
    first: bool = False
    compared: Sequence[Consistency] = ()
    ends: Sequence[str] = ()


def cause(facts: CauseFacts) -> str:
    """Return the sentence, or "" for a GREEN night; the same facts give the same words."""
    if facts.interrupted:
        return fit([_interrupted(facts)], CAUSE_LIMIT)
    if facts.colour is Colour.BLOCKED:
        return fit(facts.blocked, CAUSE_LIMIT)
    if facts.colour is Colour.RED:
        return fit(_red(facts), CAUSE_LIMIT)
    return fit(_amber(facts), CAUSE_LIMIT) if facts.colour is Colour.AMBER else ""


def short_name(test: TestVerdict) -> str:
    """Return a test's name for a sentence: its function and, unless it is `default`, its backend."""
    name = test.id.rpartition("::")[2]
    return name if test.backend == "default" else f"{name} ({test.backend})"


def _interrupted(facts: CauseFacts) -> str:
    word = facts.interrupted or ""
    how = f"was {word}" if word.islower() else f"was interrupted by {word}"
    asked = sum(bool(test.attempts) for test in facts.tests)
    return f"The night {how} after {asked} of {len(facts.tests)} tests had run."


def _red(facts: CauseFacts) -> list[str]:
    if facts.violations:
        number, first = len(facts.violations), facts.violations[0]
        if first.startswith(HARNESS):  # no wrong sum: the harness itself failed, with a sentence
            return [first]
        return [f"The report does not add up ({number} of its own checks violated): {first}"]
    failures = [test for test in facts.tests if test.verdict in FAILURES]
    if failures:
        return _failures(facts, failures)
    blocked = [test for test in facts.tests if test.verdict is Verdict.BLOCKED]
    if blocked:
        return [f"{_of(len(blocked), facts.tests)} blocked: {blocked[0].reason}"]
    differing = [one for one in facts.compared if one.differs]
    if differing:
        return _differences(differing)
    number = len(facts.unknown) or int(_gate_number(facts.gates, "unknown"))
    named = f": {facts.unknown[0]}" if facts.unknown else ""
    return (
        [f"{plural(number, 'resource')} of tonight in no ledger{named}."] if number or not facts.ends else [*facts.ends]
    )


def _differences(differing: Sequence[Consistency]) -> list[str]:
    number, first = sum(one.differs for one in differing), differing[0]
    told = f"{plural(number, 'answer')} {'differs' if number == 1 else 'differ'} between {' and '.join(first.backends)}"
    place = first.differences[0]
    name = place.test.rpartition("::")[2]
    return [f"{told}, first {place.operation} in {name}, step {place.step}.", f"{told}, first in {name}.", f"{told}."]


def _failures(facts: CauseFacts, failures: list[TestVerdict]) -> list[str]:
    counted = _counted(facts.tests, failures)
    since, short = _news(facts, failures)
    largest = clusters(failures)[0]
    deaths = " and ".join(facts.system_deaths)
    if deaths:
        return [f"The {deaths} died during the night: {counted}{since}.", f"The {deaths} died: {counted}."]
    if len(failures) <= NAMED_TESTS:
        return _named(failures, counted, _whys(largest) if len(largest.tests) == len(failures) else [], since)
    if len(largest.tests) / len(failures) >= ONE_CAUSE:
        one = f"{counted}, one cause explains {_all(len(largest.tests), len(failures))}: "
        cut = shorten(brief(largest), CAUSE_LIMIT - len(f"{one}{short}."))
        told = [f"{one}{why}{news}." for why in _whys(largest) for news in (since, short)]
        return [*told, f"{one}{cut}{short}."]
    spread = f"{counted}, {_spread(facts.tests, failures)}"
    return [f"{spread}{since}.", f"{spread}{short}.", f"{spread}."]


def _named(failures: list[TestVerdict], counted: str, whys: list[str], since: str) -> list[str]:
    names = [short_name(test) for test in failures]
    full = ", ".join(names)
    told = [f"{counted}: {full}: {why}{since}." for why in whys]
    room = CAUSE_LIMIT - len(f"{counted}: .")
    return [*told, f"{counted}: {full}{since}.", f"{counted}: {full}.", f"{counted}: {listed(names, room)}."]


def brief(cluster: Cluster) -> str:
    """Return the cause of a cluster as a short phrase; only failures have a message that says more than their kind."""
    kinds = {test.verdict for test in cluster.tests}
    if kinds == {Verdict.NOT_RUN} and all(test.reason == NO_EVENT for test in cluster.tests):
        return "no event in any cell log"
    if kinds == {Verdict.TIMEOUT}:
        return "no end within the time limit"
    text = cluster.message.partition(":")[0] if kinds == {Verdict.HOLLOW} else cluster.message
    return text.rstrip(".")


def _whys(cluster: Cluster) -> list[str]:
    """Return the cause of a cluster, preceded by the same with its remedy if one is known."""
    why = brief(cluster)
    remedy = HOLLOW_REMEDIES.get(why, "") if cluster.tests[0].verdict is Verdict.HOLLOW else ""
    return [f"{why}; {remedy}", why] if remedy else [why]


def _all(number: int, of: int) -> str:
    return f"all {of}" if number == of else str(number)


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


def _news(facts: CauseFacts, failures: list[TestVerdict]) -> tuple[str, str]:
    """Return how many failures are new, with and without the changed builds; empty without an earlier night."""
    if facts.first:
        return "", ""
    new = sum(test.new for test in failures)
    if not new:
        return ", none new", ", none new"
    short = f", {'all ' if new > 1 else ''}new" if new == len(failures) else f", {new} new"
    word = "builds" if len(facts.builds) > 1 else "build"
    return (f"{short} since {word} {listed(facts.builds, BUILDS_LIMIT)}" if facts.builds else short), short


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
        "quarantine_overdue": f"{plural(value, 'quarantine entry', 'quarantine entries')} past the expiry date",
        "tolerated": f"{_of(value, facts.tests)} did not pass, within the gate of the tier{_some(below)}",
        "leaked": f"{plural(value, 'resource')} leaked, left to the next sweep",
        UNCLEAN: facts.ends[0].rstrip(".") if facts.ends else "",
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
