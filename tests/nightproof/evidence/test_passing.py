"""Counting passed assertions changes nothing that a suite can observe."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Outcome
from nightproof.runner.cell import CellPlan
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import read_cell

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = """
import gc
import weakref
from conftest import WORDS

class Value:
    def __repr__(self):
        raise RuntimeError("nobody may look at me")

class Shown:
    def __repr__(self):
        WORDS.append("looked at")
        return "shown"

def test_a_value_is_freed_with_its_last_name():
    gc.disable()
    try:
        value = Value()
        weak = weakref.ref(value)
        assert weak() is not None
        del value
        assert weak() is None
    finally:
        gc.enable()

def test_nobody_asks_for_the_words():
    shown = Shown()
    assert shown == shown
    assert (
        shown is not None
    ), "never"
    assert "looked at" not in WORDS

def test_a_constant():
    assert True; assert (
        1)
"""
HOOK: Final = """
def pytest_assertion_pass(orig):
    WORDS.append(orig)
"""


def assertions(tmp_path: Path, conftest: str, ini: str = "") -> dict[str, tuple[Outcome, int]]:
    """Run the tests in a cell; return the outcome and the number of assertions of each."""
    suite = tmp_path / "shop"
    suite.mkdir()
    (suite / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (suite / "conftest.py").write_text(f"WORDS = []\n{conftest}")
    (suite / "test_it.py").write_text(TESTS)
    names = ("a_value_is_freed_with_its_last_name", "nobody_asks_for_the_words", "a_constant")
    ids = tuple(f"shop/test_it::test_{name}" for name in names)
    plan = CellPlan(suite, "shop", "default", tmp_path / "cell", {}, 100, ids)
    run_cell(plan, lambda _lines: None, GroupRegistry())
    tries = read_cell(plan.cell_dir).attempts
    return {test.partition("::test_")[2]: (one[-1].outcome, one[-1].assertions) for test, one in tries.items()}


def test_assertions_that_hold_leave_their_values_alone(tmp_path: Path) -> None:
    """A passed assertion is counted without calling `repr` on its values or keeping them alive."""
    found = assertions(tmp_path, "")
    assert found["a_value_is_freed_with_its_last_name"] == (Outcome.PASSED, 2)
    assert found["nobody_asks_for_the_words"] == (Outcome.PASSED, 3)
    assert found["a_constant"] == (Outcome.PASSED, 0)


def test_a_suite_with_a_hook_of_its_own_gets_the_words(tmp_path: Path) -> None:
    """A suite's own assertion hook still gets its explanations, and assertions are counted."""
    found = assertions(tmp_path, HOOK, "enable_assertion_pass_hook = true")
    assert found["nobody_asks_for_the_words"] == (Outcome.FAILED, 2)
