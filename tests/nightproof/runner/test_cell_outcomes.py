"""A test that is red in plain pytest is never green here: sub-tests, tear-downs, deaths, limits and reruns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.cell import second_pass
from nightproof.runner.events import read_cell
from nightproof.runner.events import to_repeat
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.outcomes import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.runner.cell import CellPlan

ASK = """
    import ctypes, gc, os, pytest, requests, signal, threading, time, unittest, warnings
    def ask(): return requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code
"""
SUBTESTS = (
    ASK
    + """
    class TestCart(unittest.TestCase):
        def test_currencies(self):
            for name, code in (("eur", 200), ("usd", 500), ("chf", 500)):
                with self.subTest(name): self.assertEqual(ask(), code)
        def test_fine(self):
            with self.subTest("eur"): self.assertEqual(ask(), 200)
        def test_one_skipped(self):
            with self.subTest("eur"): self.skipTest("not this one")
            self.assertEqual(ask(), 200)
    def test_fixture(subtests):
        for i in range(3):
            with subtests.test("round", i=i): assert ask() == 200 and i != 1
    def test_fixture_fine(subtests):
        with subtests.test(i=1): assert ask() == 200
        with subtests.test(i=2): pytest.skip("not this one")
"""
)
TEARDOWNS = (
    ASK
    + """
    @pytest.fixture(scope="session")
    def env():
        yield
        raise RuntimeError("3 machines still run")
    def test_uses_it(env): assert ask() == 200
    class TestClass:
        def test_in_class(self): assert ask() == 200
        @classmethod
        def teardown_class(cls): raise RuntimeError("no class")
    class TestUnit(unittest.TestCase):
        def test_in_unit(self): self.assertEqual(ask(), 200)
        @classmethod
        def tearDownClass(cls): raise RuntimeError("no unit")
    @pytest.fixture
    def own():
        yield
        if os.environ["NIGHTPROOF_PASS"] == "1": raise RuntimeError("only once")
    def test_own(own): assert ask() == 200
    def test_last(): assert ask() == 200
"""
)


def run_night(plan: CellPlan) -> dict[str, TestVerdict]:
    """Run both passes as a night does; return the verdict of each test by its name."""
    run_cell(plan, lambda _lines: None, GroupRegistry())
    again = to_repeat(read_cell(plan.cell_dir))
    if again:
        second_pass(replace(plan, test_ids=tuple(again)), lambda _lines: None, GroupRegistry())
    tests = {test_id: CatalogueTest(test_id) for test_id in plan.test_ids}
    verdicts = judge("shop", "default", tests, read_cell(plan.cell_dir), offers=["write"])
    return {verdict.id.partition("::")[2]: verdict for verdict in verdicts}


def words(verdicts: dict[str, TestVerdict]) -> dict[str, str]:
    """Return the bare verdict words."""
    return {name: verdict.verdict.value for name, verdict in verdicts.items()}


def test_a_failed_subtest_fails_its_test_by_name(make_cell: Callable[..., CellPlan]) -> None:
    """A failed sub-test of unittest or pytest fails its test; a skipped one does not."""
    names = ["TestCart::test_currencies", "TestCart::test_fine", "TestCart::test_one_skipped"]
    found = run_night(make_cell(SUBTESTS, *names, "test_fixture", "test_fixture_fine"))
    assert words(found) == {
        "TestCart::test_currencies": "failed",
        "TestCart::test_fine": "passed",
        "TestCart::test_one_skipped": "passed",
        "test_fixture": "failed",
        "test_fixture_fine": "passed",
    }
    assert found["TestCart::test_currencies"].reason.startswith("sub-test [usd]: AssertionError: 200 != 500")
    assert "too: [chf]" in found["TestCart::test_currencies"].attempts[0].message
    assert found["test_fixture"].reason.startswith("sub-test [round] (i=1): ")


def test_a_teardown_that_a_second_pass_cannot_repeat_is_an_error(make_cell: Callable[..., CellPlan]) -> None:
    """A failed tear-down of a shared fixture is an error that names it; one of the test's own may be flaky."""
    names = ["test_uses_it", "TestClass::test_in_class", "TestUnit::test_in_unit", "test_own", "test_last"]
    found = run_night(make_cell(TEARDOWNS, *names))
    assert words(found) == {
        "test_uses_it": "passed",
        "TestClass::test_in_class": "error",
        "TestUnit::test_in_unit": "error",
        "test_own": "flaky",
        "test_last": "error",
    }
    assert found["test_last"].reason == (
        "the tear-down of the session fixture `env`: RuntimeError: 3 machines still run "
        "(charged to this test, which ran then; alone it passes)"
    )
    assert [attempt.outcome for attempt in found["test_last"].attempts] == [Outcome.ERROR, Outcome.PASSED]
    assert "class fixture `teardown_class`" in found["TestClass::test_in_class"].reason
    assert "class fixture `tearDownClass`" in found["TestUnit::test_in_unit"].reason


def test_a_process_that_an_earlier_test_ends_is_no_flake(make_cell: Callable[..., CellPlan]) -> None:
    """A test in a process that an earlier test ended is an error, not flaky, and the later tests run."""
    source = (
        ASK
        + """
    def test_a():
        threading.Timer(0.5, os._exit, (0,)).start()
        assert ask() == 200
    def test_victim():
        assert ask() == 200
        time.sleep(2)
    def test_z(): assert ask() == 200
    """
    )
    found = run_night(make_cell(source, "test_a", "test_victim", "test_z"))
    assert words(found) == {"test_a": "passed", "test_victim": "error", "test_z": "passed"}
    assert "exit code 0" in found["test_victim"].reason


def test_what_an_earlier_test_left_behind_is_no_flake(make_cell: Callable[..., CellPlan]) -> None:
    """An error raised by an earlier test's object is charged to the test that ran then, not flaky."""
    source = (
        ASK
        + """
    HELD = []
    class Bad:
        def __del__(self): raise ValueError("in del")
    def test_a():
        HELD.append(Bad())
        assert ask() == 200
    def test_innocent():
        HELD.clear()
        gc.collect()
        assert ask() == 200
    """
    )
    plan = make_cell(source, "test_a", "test_innocent")
    (plan.suite_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    found = run_night(plan)
    assert words(found) == {"test_a": "passed", "test_innocent": "error"}
    assert "earlier test" in found["test_innocent"].reason


LIMITED = (
    ASK
    + """
    def test_slow():
        assert ask() == 200
        time.sleep(4)
    def test_quick(): assert ask() == 200
"""
)


@pytest.mark.parametrize(
    ("ini", "env", "expected"),
    [
        ("timeout = 1", {}, "timeout"),
        ("timeout = 1\ntimeout_method = thread", {}, "timeout"),
        ("addopts = --timeout=1", {}, "timeout"),
        ("addopts = --timeout=1 --timeout-method=thread", {}, "timeout"),
        ("", {"PYTEST_TIMEOUT": "1"}, "timeout"),
        ("timeout = 30", {}, "passed"),
        ("timeout = 0", {}, "passed"),
        ("addopts = -p no:timeout", {}, "passed"),
        ("", {}, "timeout"),
    ],
)
def test_the_suites_own_time_limit_holds_whoever_sets_it(
    make_cell: Callable[..., CellPlan], ini: str, env: dict[str, str], expected: str
) -> None:
    """A time limit of the suite's own is neither overridden nor shortened by ours."""
    plan = make_cell(LIMITED, "test_slow", "test_quick", **env)
    (plan.suite_path / "suite.toml").write_text('name = "shop"\ntest_timeout_s = 2\n')
    (plan.suite_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    run_cell(plan, lambda _lines: None, GroupRegistry())
    found = {test.partition("::")[2]: tries for test, tries in read_cell(plan.cell_dir).attempts.items()}
    assert {name: [attempt.outcome.value for attempt in tries] for name, tries in found.items()} == {
        "test_slow": [expected],
        "test_quick": ["passed"],
    }
    if expected == "timeout":
        assert found["test_slow"][0].message.partition("Timeout")[1]


HOSTILE = (
    ASK
    + """
    class Silent(Exception):
        def __str__(self): raise ValueError("no str")
        __repr__ = __str__
    class Odd(Exception):
        @property
        def context(self): raise ValueError("no context")
    NAME = os.fsdecode(b"\\xe9t\\xe9.txt")
    def test_silent():
        assert ask() == 200
        raise Silent
    def test_odd():
        assert ask() == 200
        raise Odd("odd")
    def test_bad_repr():
        class R:
            def __repr__(self): raise ValueError("no repr")
            def __eq__(self, other): return False
        assert R() == ask()
    def test_surrogate(): assert ask() == 500, NAME
    def test_property(record_property):
        loop = {}
        loop["loop"] = loop
        record_property("x", {(1, 2): Silent, "it": Silent(), "name": NAME, "loop": loop})
        assert ask() == 200
    def test_printed():
        warnings.warn(NAME)
        print(NAME.encode("utf-8", "surrogateescape"))
        assert ask() == 200
    @pytest.mark.parametrize("name", [pytest.param("\\udce9", id="t\\udce9")])
    def test_id(name): assert ask() == 200
    def test_after(): assert ask() == 200
"""
)


def test_exceptions_and_texts_that_cannot_be_written_cost_no_verdict(make_cell: Callable[..., CellPlan]) -> None:
    """Odd exceptions and unprintable texts of a suite leave each test its plain outcome, in printable words."""
    names = ["silent", "odd", "bad_repr", "surrogate", "property", "printed", "id[t\\udce9]", "after"]
    plan = make_cell(HOSTILE, *(f"test_{name}" for name in names))
    found = run_night(plan)
    failed = {"silent", "odd", "bad_repr", "surrogate"}
    assert words(found) == {f"test_{name}": "failed" if name in failed else "passed" for name in names}
    assert "t\\udce9.txt" in found["test_surrogate"].reason
    assert all(attempt.message.encode() is not None for one in found.values() for attempt in one.attempts)


RERUN = (
    ASK
    + """
    N = {}
    def times(name):
        N[name] = N.get(name, 0) + 1
        return N[name]
    @MARK
    def test_third():
        assert ask() == 200
        assert times("third") >= 3
    @MARK
    def test_never(): assert ask() == 500
    @MARK
    def test_at_once(): assert ask() == 200
    @MARK
    def test_hollow_at_last():
        if times("hollow") == 1:
            assert ask() == 200
            pytest.fail("once")
"""
)
PLUGINS = {
    "pytest_rerunfailures": ("strangers", "pytest_rerunfailures.py", "pytest.mark.flaky(reruns=3)"),
    "flaky.flaky_pytest_plugin": ("reruns-flaky", "flaky", "pytest.mark.flaky(max_runs=4)"),
    "pytest_retry.retry_plugin": ("reruns-retry", "pytest_retry", "pytest.mark.flaky(retries=3)"),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_rerun_of_the_suites_own_is_an_attempt(
    make_cell: Callable[..., CellPlan], world: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    """A pass on a plugin's rerun is flaky, and a hollow last run is hollow."""
    group, source, mark = PLUGINS[name]
    (found_there,) = world(group).parents[1].glob(f"lib/*/site-packages/{source}")
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / source).symlink_to(found_there)  # only the plugin, no other package of that environment
    names = ["test_third", "test_never", "test_at_once", "test_hollow_at_last"]
    env = {"PYTHONPATH": str(plugins), "PYTEST_ADDOPTS": f"-p {name}"}
    found = run_night(make_cell(RERUN.replace("MARK", mark), *names, **env))
    assert words(found) == {
        "test_third": "flaky",
        "test_never": "failed",
        "test_at_once": "passed",
        "test_hollow_at_last": "hollow",
    }
    attempts = found["test_third"].attempts
    assert [attempt.outcome.value for attempt in attempts] == ["failed", "failed", "passed"]
    assert [attempt.exchanges.http for attempt in attempts] == [1, 1, 1]
    assert "assert 1 >= 3" in attempts[0].message


REGISTERED = (
    ASK
    + """
    def test_body(): pytest.skip("in the body")
    def test_new(): pytest.skip("service down")
    @pytest.mark.xfail(reason="bug 4")
    def test_known(): assert ask() == 500
    @pytest.mark.xfail(reason="bug 5")
    def test_mended(): assert ask() == 200
    @pytest.mark.xfail(reason="bug 6", strict=True)
    def test_strict(): assert ask() == 200
"""
)


def test_a_registered_skip_is_no_failure_and_a_new_one_runs_once(make_cell: Callable[..., CellPlan]) -> None:
    """Registered skips and xfails are unsupported and quarantined; a new skip fails and is not repeated."""
    names = ("body", "new", "known", "mended", "strict")
    plan = make_cell(REGISTERED, *(f"test_{name}" for name in names))
    run_night(plan)
    held = [
        CatalogueTest("shop/test_it::test_body", skip="in the body"),
        CatalogueTest("shop/test_it::test_new"),
        CatalogueTest("shop/test_it::test_known", xfail="bug 4", until="2099-01-01"),
        CatalogueTest("shop/test_it::test_mended", xfail="bug 5", until="2099-01-01"),
        CatalogueTest("shop/test_it::test_strict", xfail="bug 6", until="2099-01-01"),
    ]
    tests = {test.id: test for test in held}
    verdicts = judge("shop", "default", tests, read_cell(plan.cell_dir), offers=["write"])
    found = {verdict.id.rpartition("_")[2]: verdict for verdict in verdicts}
    assert {name: (verdict.verdict.value, len(verdict.attempts)) for name, verdict in found.items()} == {
        "body": ("unsupported", 1),
        "new": ("failed", 1),
        "known": ("quarantined", 1),
        "mended": ("quarantined", 1),
        "strict": ("failed", 2),
    }
    assert "passed tonight: remove the mark" in found["mended"].reason
    assert "--from-run latest" in found["new"].reason
