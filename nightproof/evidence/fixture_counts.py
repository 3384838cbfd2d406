"""Exchanges of fixtures: remembered with each fixture, and counted for every test that uses it."""

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

EVIDENCE: Final = "NIGHTPROOF_EVIDENCE"  # `call` demands an exchange in the body of the test
STRICT: Final = "call"


class FixtureCounts:
    """A plugin that counts exchanges while fixtures of any scope are set up, those of xunit and unittest included."""

    def __init__(self, collect: Callable[[], None]) -> None:
        self._collect = collect  # adds what child processes counted
        self._answered: dict[int, int] = {}  # by identity: pytest keeps its definitions until the session ends

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """Count the exchanges until the fixture has its value, including those of fixtures that it sets up."""
        self._collect()
        with RECORDING.fixture() as counter:
            try:
                return (yield)
            finally:
                self._collect()
                self._answered[id(fixturedef)] = counter[0]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        """Add up the fixtures of a test after its body, which may have requested more of them."""
        try:
            return (yield)
        finally:
            request = getattr(item, "_request", None)
            definitions = getattr(request, "_fixture_defs", {}).values()  # pytest has no public list of them
            if RECORDING.test is not None:
                RECORDING.test.fixture_exchanges = sum(self._answered.get(id(one), 0) for one in definitions)


def proof_of(state: TestState, evidence: str) -> str:
    """Return what proves a test: `call`, `relay`, `fixture`, `vouched`, or an empty text for no proof."""
    if seen := sum(state.exchanges.values()):
        return "call" if seen > sum(state.relayed.values()) else "relay"
    is_strict = STRICT in {evidence, os.environ.get(EVIDENCE)}  # set by the suite, or by the profile
    if state.fixture_exchanges and not is_strict:
        return "fixture"
    return "vouched" if state.vouched else ""


def fields_of(state: TestState, server: Seen) -> dict[str, Any]:
    """Return the evidence of a test as the fields of its event."""
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
    """Return the evidence of a test in one line, for a person who runs pytest by hand."""
    sent = ", ".join(f"{name} {count}" for name, count in state.exchanges.items() if count) or "none"
    how = {"fixture": f", {state.fixture_exchanges} by fixtures", "vouched": f", vouched: {state.vouched}"}
    return f"{state.id}: {state.assertions} assertions, exchanges: {sent}{how.get(state.proof, '')}"
