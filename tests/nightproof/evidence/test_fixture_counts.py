"""Answers to a fixture are evidence of every test that uses it, unless the suite requires call evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.evidence.fixture_counts import proof_of
from nightproof.evidence.state import TestState
from tests.nightproof.evidence.nearby import counts
from tests.nightproof.evidence.nearby import evidence_of_each

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server

SUITE = """
    import os, subprocess, sys, unittest
    import pytest, requests
    from nightproof.evidence import channel
    def ask(): return requests.get(os.environ["SHOP"]).status_code
    CHILD = "import os, requests; requests.get(os.environ['SHOP'])"

    @pytest.fixture(scope="session")
    def shared(): return ask()
    @pytest.fixture
    def each(): return ask()
    @pytest.fixture
    def above(shared): return shared
    @pytest.fixture
    def by_name(request): return request.getfixturevalue("each")
    @pytest.fixture
    def by_child(): return subprocess.run([sys.executable, "-c", CHILD]).returncode
    @pytest.fixture
    def observed():
        with channel("observer"): return ask()
    @pytest.fixture
    def late():
        yield 200
        ask()

    def test_first(shared): assert shared == 200
    def test_second(shared): assert shared == 200
    def test_above(above): assert above == 200
    def test_each(each): assert each == 200
    def test_by_name(by_name): assert by_name == 200
    def test_asks_late(request): assert request.getfixturevalue("shared") == 200
    def test_by_child(by_child): assert by_child == 0
    def test_without(): assert True
    def test_observed(observed): assert observed == 200
    def test_teardown(late): assert late == 200
    def test_both(shared): assert ask() == shared

    class TestClass:
        def setup_class(cls): cls.found = ask()
        def test_of_class(self): assert self.found == 200
    class TestCase(unittest.TestCase):
        @classmethod
        def setUpClass(cls): cls.found = ask()
        def test_of_case(self): self.assertEqual(self.found, 200)
        def test_of_case_again(self): self.assertEqual(self.found, 200)
"""
PROVEN_BY_FIXTURES = {
    "test_first",
    "test_second",
    "test_above",
    "test_each",
    "test_by_name",
    "test_asks_late",
    "test_by_child",
    "test_of_class",
    "test_of_case",
    "test_of_case_again",
}
NOT_PROVEN = {"test_without", "test_observed", "test_teardown"}


@pytest.mark.parametrize("evidence", ["fixture", "call"])
def test_exchanges_of_fixtures_count_for_who_uses_them(tmp_path: Path, server: Server, evidence: str) -> None:
    """Fixtures of every scope count for their users, apart from the body's; a strict suite counts bodies only."""
    found = evidence_of_each(tmp_path, SUITE, evidence=evidence, SHOP=server.url)
    by_fixture = "fixture" if evidence == "fixture" else ""
    expected = dict.fromkeys(PROVEN_BY_FIXTURES, by_fixture) | dict.fromkeys(NOT_PROVEN, "") | {"test_both": "call"}
    assert {name: line["proof"] for name, line in found.items()} == expected
    assert counts(found["test_both"]) == {"http": 1}
    assert not any(counts(line) for name, line in found.items() if name != "test_both")


@pytest.mark.parametrize(
    ("call", "fixture", "vouched", "proof"),
    [(1, 1, "why", "call"), (0, 1, "why", "fixture"), (0, 0, "why", "vouched"), (0, 0, "", "")],
)
def test_the_strongest_proof_is_named(call: int, fixture: int, vouched: str, proof: str) -> None:
    """An answer to the body outweighs one to a fixture, and that one a vouching."""
    state = TestState("id", "prefix", fixture_exchanges=fixture, vouched=vouched)
    state.exchanges["tcp"] = call
    assert proof_of(state, "fixture") == proof
