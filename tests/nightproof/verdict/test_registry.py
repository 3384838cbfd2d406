"""The lock registers a suite's skips, expected failures and deselected tests, from marks or from a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.records import Verdict
from nightproof.verdict import catalogue
from nightproof.verdict import registry
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.catalogue import SuiteCatalogue

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 12, 1)
MARKED = """
    import pytest, unittest
    def test_plain(): pass
    @pytest.mark.skip
    def test_skip(): pass
    @pytest.mark.skipif(True, reason="not here")
    def test_skipif(): pass
    @pytest.mark.skipif(False, reason="not here")
    def test_runs(): pass
    @pytest.mark.xfail(reason="known", strict=True)
    def test_xfail(): pass
    @pytest.mark.xfail
    def test_bare(): pass
    @pytest.mark.parametrize("x", [])
    def test_empty(x): pass
    def test_body(): pytest.skip("in the body")
    class TestUnit(unittest.TestCase):
        @unittest.skip("later")
        def test_later(self): pass
        @unittest.expectedFailure
        def test_expected(self): pass
    @unittest.skip("all of it")
    class TestWhole(unittest.TestCase):
        def test_in(self): pass
"""


def write(folder: Path, source: str, **files: str) -> Path:
    """Write a suite of one test file and others."""
    suite = folder / "shop"
    suite.mkdir()
    (suite / "test_it.py").write_text(dedent(source))
    for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
        (suite / name.replace("__", ".")).write_text(dedent(text))
    return suite


def test_marks_are_registered_with_their_reasons_and_stay_in_the_lock(tmp_path: Path) -> None:
    """An update registers the marks that collection sees, and a lock with them is current."""
    suite = write(tmp_path, MARKED)
    catalogue.write_lock(suite, registry.register(catalogue.collect(suite), None, {}, TODAY))
    tests = {name.partition("::")[2]: test for name, test in catalogue.read_lock(suite).tests.items()}
    assert {name: test.skip for name, test in tests.items() if test.skip} == {
        "test_skip": "unconditional skip",
        "test_skipif": "not here",
        "test_empty[NOTSET]": "got empty parameter set for (x)",
        "TestUnit::test_later": "later",
        "TestWhole::test_in": "all of it",
    }
    assert {name: (test.xfail, test.until) for name, test in tests.items() if test.xfail} == {
        "test_xfail": ("known", "2027-03-01"),
        "test_bare": ("no reason given", "2027-03-01"),
        "TestUnit::test_expected": ("no reason given", "2027-03-01"),
    }
    assert not catalogue.check_catalogue(suite)


def test_a_new_mark_is_drift_and_one_that_is_gone_is_none(tmp_path: Path) -> None:
    """An unregistered mark is drift; a registered one that is gone is not, as it may be conditional."""
    suite = write(tmp_path, "def test_a(): pass\n")
    catalogue.write_lock(suite, catalogue.collect(suite))
    source = "import pytest\n@pytest.mark.xfail\ndef test_a(): pass\n"
    (suite / "test_it.py").write_text(source)
    assert catalogue.check_catalogue(suite).changed == ("shop/test_it::test_a",)
    catalogue.write_lock(suite, registry.register(catalogue.collect(suite), None, {}, TODAY))
    (suite / "test_it.py").write_text("def test_a(): pass\n")
    assert not catalogue.check_catalogue(suite)


def test_an_update_keeps_what_a_run_taught_and_prolongs_no_debt() -> None:
    """An update keeps skips learnt from a run, and an expected failure keeps its first date."""
    names = ("body", "known", "fresh")
    collected = SuiteCatalogue("s", ("default",), {name: CatalogueTest(name) for name in names})
    seen = {"body": "skip: Skipped: not today", "known": "xfail: bug 4"}
    first = registry.register(collected, None, seen, TODAY)
    assert first.tests["body"] == CatalogueTest("body", skip="not today", learnt=True)
    assert first.tests["known"] == CatalogueTest("known", xfail="bug 4", until="2027-03-01", learnt=True)
    again = registry.register(collected, first, {}, date(2027, 1, 1))
    assert again == first
    assert registry.overdue(again.tests.values(), date(2027, 3, 1)) == ()
    assert registry.overdue(again.tests.values(), date(2027, 3, 2)) == (first.tests["known"],)


KNOWN = CatalogueTest("a", xfail="bug 4", until="2027-03-01")


@pytest.mark.parametrize(
    ("test", "skipped", "verdict", "reason"),
    [
        (CatalogueTest("a", skip="not  today"), "skip: Skipped: not today", Verdict.UNSUPPORTED, "not today"),
        (CatalogueTest("a"), "skip: Skipped: down", Verdict.FAILED, "unregistered skip: down; register it with `night"),
        (
            CatalogueTest("a", skip="x"),
            "skip: Skipped: y",
            Verdict.FAILED,
            "unregistered skip: y (the lock registers `x`",
        ),
        (KNOWN, "xfail: bug 4", Verdict.QUARANTINED, "xfail: bug 4 (registered until 2027-03-01); failed as expected"),
        (KNOWN, "xpass: bug 4", Verdict.QUARANTINED, "xfail: bug 4 (registered until 2027-03-01); passed tonight: rem"),
        (replace(KNOWN, xfail=""), "xfail: bug 4", Verdict.FAILED, "unregistered xfail: bug 4; register it with"),
    ],
)
def test_only_the_registered_reason_excuses(test: CatalogueTest, skipped: str, verdict: Verdict, reason: str) -> None:
    """A registered skip is unsupported, a registered xfail quarantined; an unregistered one fails with the remedy."""
    found, text = registry.of_skip(test, skipped)
    assert found is verdict
    assert text.startswith(reason)


DESELECTING = """
    import pytest
    def test_fast(): pass
    @pytest.mark.slow
    def test_slow(): pass
    def test_wip(): pass
    def test_odd(): pass
    def test_known(): pass
    @pytest.mark.parametrize("n", [1, 2])
    def test_gone(n): pass
"""


def test_what_a_suite_leaves_out_is_not_declared_and_told(tmp_path: Path) -> None:
    """Deselected tests are not declared; the lock names them and who deselected them."""
    conftest = """
        def pytest_collection_modifyitems(config, items):
            wip = [item for item in items if "wip" in item.name]
            config.hook.pytest_deselected(items=wip)
            items[:] = [item for item in items if item not in wip and "odd" not in item.name]
    """
    options = "-m 'not slow' -k 'not known' --deselect test_it.py::test_gone"
    ini = f"[pytest]\nmarkers = slow: nightly only\naddopts = {options}\n"
    suite = write(tmp_path, DESELECTING, conftest__py=conftest, pytest__ini=ini)
    catalogue.write_lock(suite, catalogue.collect(suite))
    locked = catalogue.read_lock(suite)
    assert list(locked.tests) == ["shop/test_it::test_fast"]
    assert {name.partition("::")[2]: by for name, by in locked.deselected.items()} == {
        "test_slow": "-m 'not slow'",
        "test_known": "-k 'not known'",
        "test_wip": "pytest_collection_modifyitems in conftest.py",
        "test_odd": "code of the suite's own",
        "test_gone[1]": "--deselect",
        "test_gone[2]": "--deselect",
    }


def test_items_of_one_id_are_told_apart(tmp_path: Path) -> None:
    """An item that is collected twice is two tests."""
    conftest = "def pytest_collection_modifyitems(items): items[:] = [*items, *items]\n"
    suite = write(tmp_path, "def test_a(): pass\n", conftest__py=conftest)
    assert list(catalogue.collect(suite).tests) == ["shop/test_it::test_a", "shop/test_it::test_a#2"]


def test_bytes_that_are_no_text_do_not_stop_the_collection(tmp_path: Path) -> None:
    """Output that is no UTF-8 does not stop the collection, and pytest's error is shown as far as readable."""
    suite = write(tmp_path, "import os\nos.write(1, b'\\xff\\n')\ndef test_a(): pass\n")
    (suite / "test_odd.py").write_text("import os\nos.write(2, b'\\xe9')\nraise OSError(os.fsdecode(b'\\xe9.txt'))\n")
    with pytest.raises(UsageError, match=r"could not collect .*(?s:.)*OSError"):
        catalogue.collect(suite)
    (suite / "test_odd.py").unlink()
    assert list(catalogue.collect(suite).tests) == ["shop/test_it::test_a"]
