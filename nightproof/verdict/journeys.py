"""Business journeys and their states by tonight's verdicts: protected, at risk or unknown."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from typing import Final
from typing import Literal

from nightproof.records import Journey
from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

State = Literal["protected", "at_risk", "unknown"]
AT_RISK: Final = frozenset({Verdict.FAILED, Verdict.ERROR, Verdict.TIMEOUT, Verdict.HOLLOW, Verdict.FLAKY})


def journeys(tests: Iterable[TestVerdict], revenue: Mapping[str, float]) -> tuple[Journey, ...]:
    """Return every journey of the profile or a test once, with its state and its monthly revenue in USD."""
    by_journey: dict[str, dict[str, list[TestVerdict]]] = {name: {} for name in revenue}
    for test in tests:
        if test.journey:
            by_journey.setdefault(test.journey, defaultdict(list)).setdefault(test.id, []).append(test)
    return tuple(
        Journey(name, revenue.get(name), _journey_state(by_id.values()), tuple(sorted(by_id)))
        for name, by_id in sorted(by_journey.items())
    )


def _journey_state(groups: Iterable[list[TestVerdict]]) -> State:
    states = {_test_state(group) for group in groups}
    if "at_risk" in states:
        return "at_risk"
    return "protected" if states == {"protected"} else "unknown"


def _test_state(verdicts: list[TestVerdict]) -> State:
    """Return the state of one test over its backends; an unsupported backend counts only if no backend ran it."""
    if any(_at_risk(test) for test in verdicts):
        return "at_risk"
    asked = {test.verdict for test in verdicts} - {Verdict.UNSUPPORTED}
    return "protected" if asked == {Verdict.PASSED} else "unknown"


def _at_risk(test: TestVerdict) -> bool:
    if test.verdict is Verdict.QUARANTINED:
        return test.attempts[-1].outcome is not Outcome.PASSED if test.attempts else False
    return test.verdict in AT_RISK
