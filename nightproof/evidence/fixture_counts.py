"""What fixtures were answered: remembered with each fixture, and counted for every test that uses it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof.evidence.state import RECORDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.evidence.control import Seen
    from nightproof.evidence.state import TestState

EVIDENCE: Final = "NIGHTPROOF_EVIDENCE"  # `call` demands that the body of a test was answered
STRICT: Final = "call"


class FixtureCounts:
    """Counts while a fixture is set up, of any scope; those of xunit and unittest are fixtures too."""

    def __init__(self, collect: Callable[[], None]) -> None:
        self._collect = collect  # adds what child processes counted
        self._answered: dict[int, int] = {}  # by identity: pytest keeps its definitions until the session ends

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """Count what is answered until the fixture has its value; of fixtures that it sets up, too."""
        self._collect()
        with RECORDING.fixture() as counter:
            try:
                return (yield)
            finally:
                self._collect()
                self._answered[id(fixturedef)] = counter[0]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        """Add up the fixtures of a test when its body is over; it may have asked for more of them."""
        try:
            return (yield)
        finally:
            request = getattr(item, "_request", None)
            definitions = getattr(request, "_fixture_defs", {}).values()  # pytest has no public list of them
            if RECORDING.test is not None:
                RECORDING.test.fixture_exchanges = sum(self._answered.get(id(one), 0) for one in definitions)


def proof_of(state: TestState, evidence: str) -> str:
    """Return how a test is proven: by its own call, the relay, a fixture, a person who vouches, or not at all."""
    if seen := sum(state.exchanges.values()):
        return "call" if seen > sum(state.relayed.values()) else "relay"
    is_strict = STRICT in {evidence, os.environ.get(EVIDENCE)}  # the suite's word, or the profile's
    if state.fixture_exchanges and not is_strict:
        return "fixture"
    return "vouched" if state.vouched else ""


def fields_of(state: TestState, server: Seen) -> dict[str, Any]:
    """Return what the event log says of a test's evidence."""
    return {
        "id": state.id,
        "assertions": state.assertions,
        "exchanges": state.exchanges,
        "server_exchanges": server.number,
        "server_ms": server.worst_ms,
        "unanswered": state.unanswered,
        "unrecorded": state.unrecorded,
        "relayed": state.relayed,
        "proof": state.proof,
        "vouched": state.vouched,
        "observations": state.observations,
    }


def line_of(state: TestState) -> str:
    """Return what speaks for a test, for a person who runs pytest by hand."""
    sent = ", ".join(f"{name} {count}" for name, count in state.exchanges.items() if count) or "none"
    how = {"fixture": f", {state.fixture_exchanges} by fixtures", "vouched": f", vouched: {state.vouched}"}
    return f"{state.id}: {state.assertions} assertions, exchanges: {sent}{how.get(state.proof, '')}"
