"""Six planted tests through a real cell: only the honest ones have evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.records import Outcome
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import read_cell
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.outcomes import hollow_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.runner.cell import CellPlan

PLANTED = """
    import os, threading
    import pytest, requests
    from nightproof.evidence import channel
    URL = os.environ["NIGHTPROOF_URL_SHOP"]

    @pytest.fixture
    def talk():
        return requests.get(URL + "/fixture").status_code

    def test_no_assertion():
        requests.get(URL)

    def test_only_fixture(talk):
        assert talk == 200

    def test_only_observer():
        with channel("observer"):
            assert requests.get(URL).status_code == 200

    def test_refused():
        with pytest.raises(requests.ConnectionError):
            requests.get("http://127.0.0.1:1/")

    def test_thread():
        answers = []
        thread = threading.Thread(target=lambda: answers.append(requests.get(URL).status_code))
        thread.start()
        thread.join()
        assert answers == [200]

    def test_honest():
        assert requests.get(URL).status_code == 200
        assert requests.post(URL + "/graphql", json={}).json()["ok"]
"""
EXPECTED = {
    "test_no_assertion": "no assertion was executed",
    "test_only_fixture": "",
    "test_only_observer": "0 subject exchanges",
    "test_refused": "0 subject exchanges",
    "test_thread": "",
    "test_honest": "",
}


def test_planted_hollow_tests_are_told_from_honest_ones(make_cell: Callable[..., CellPlan]) -> None:
    """Each hollow test passes in pytest and is refused for its own reason; honest ones agree with the server."""
    plan = make_cell(PLANTED, *EXPECTED)
    run_cell(plan, lambda _lines: None, GroupRegistry())
    events = read_cell(plan.cell_dir)
    assert set(events.attempts) == set(plan.test_ids)
    for name, words in EXPECTED.items():
        (attempt,) = events.attempts[f"shop/test_it::{name}"]
        assert attempt.outcome is Outcome.PASSED, attempt.message
        reason = hollow_reason(CatalogueTest(name), attempt)
        assert words in reason if words else not reason
    (arranged,) = events.attempts["shop/test_it::test_only_fixture"]
    assert (arranged.proof, arranged.exchanges.total) == ("fixture", 0)
    (honest,) = events.attempts["shop/test_it::test_honest"]
    assert honest.proof == "call"
    assert (honest.assertions, honest.exchanges.http, honest.exchanges.graphql) == (2, 1, 1)
    assert (honest.server_exchanges, honest.unanswered) == (2, 0)
    assert (events.suite, events.backend, events.exit, events.torn_lines) == ("shop", "default", 0, 0)
