"""The checks that count as assertions: every style that can fail a test, wherever it is written, and no constant."""

from __future__ import annotations

import ast
from dataclasses import replace
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence.assertions import always_holds
from nightproof.runner.cell import CellPlan
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import read_cell
from nightproof.runner.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server

HELPERS = """
    def check(code):
        assert code == 200
    class Page:
        def __init__(self, code): self.code = code
        def should_be_ok(self):
            assert self.code == 200
"""
# Each test checks once, each in a different style, and would fail for any other value.
CHECKING = """
    import os, unittest, warnings
    import pytest, requests
    from unittest.mock import AsyncMock, Mock, create_autospec
    from helpers import Page, check as check_code
    from pages.front import should_be_ok
    URL = os.environ["NIGHTPROOF_URL_SHOP"]
    def ask(): return requests.get(URL).status_code
    def test_statement(): assert ask() == 200
    def test_helper_module(): check_code(ask())
    def test_page_object(): Page(ask()).should_be_ok()
    def test_package_below_the_suite(): should_be_ok(ask())
    def test_raises():
        with pytest.raises(ZeroDivisionError): ask() / 0
    def test_raises_call(): pytest.raises(ZeroDivisionError, lambda: ask() / 0)
    def test_warns():
        with pytest.warns(UserWarning): warnings.warn(str(ask()), UserWarning)
    def test_warns_call(): pytest.warns(UserWarning, warnings.warn, str(ask()), UserWarning)
    def test_deprecated_call():
        with pytest.deprecated_call(): warnings.warn(str(ask()), DeprecationWarning)
    def test_unittest(): unittest.TestCase().assertEqual(ask(), 200)
    def test_unittest_raises():
        with unittest.TestCase().assertRaises(ZeroDivisionError): ask() / 0
    def test_unittest_raises_call(): unittest.TestCase().assertRaises(ZeroDivisionError, lambda: ask() / 0)
    def test_mock():
        seen = Mock(); seen(ask()); seen.assert_called_once_with(200)
    def test_mock_of_a_function():
        seen = create_autospec(ask); seen(); seen.assert_called_once_with()
    def test_raise_for_status(): requests.get(URL).raise_for_status()
"""
LIBRARIES = """
    def test_numpy():
        import numpy.testing as nt
        nt.assert_equal(ask(), 200)
    def test_numpy_allclose():
        from numpy.testing import assert_allclose
        assert_allclose(ask(), 200.0)
    def test_pandas():
        import pandas as pd
        pd.testing.assert_frame_equal(pd.DataFrame([ask()]), pd.DataFrame([200]))
    def test_hamcrest():
        from hamcrest import assert_that, equal_to
        assert_that(ask(), equal_to(200))
    def test_assertpy():
        from assertpy import assert_that
        assert_that(ask()).is_equal_to(200)
    def test_assertpy_attribute():
        from assertpy import assert_that
        assert_that({"status": ask()}).has_status(200)
    def test_pytest_check(check): check.equal(ask(), 200)
    def test_pytest_check_function():
        import pytest_check
        pytest_check.is_true(ask() == 200)
    def test_jsonschema():
        import jsonschema
        jsonschema.validate(ask(), {"const": 200})
    def test_jsonschema_class():
        from jsonschema import Draft202012Validator
        Draft202012Validator({"const": 200}).validate(ask())
    def test_httpx():
        import httpx
        httpx.get(URL).raise_for_status()
    async def _aiohttp():
        import aiohttp
        async with aiohttp.ClientSession() as session, session.get(URL) as answer:
            answer.raise_for_status()
    def test_aiohttp():
        import asyncio
        asyncio.run(_aiohttp())
"""
# None of these has checked anything when it ends.
IDLE = """
    import os, sys, unittest
    import pytest, requests
    URL = os.environ["NIGHTPROOF_URL_SHOP"]
    def ask(): return requests.get(URL).status_code
    def test_constant(): ask(); assert True
    def test_tuple(): assert (ask(), "status")
    def test_or_true(): assert ask() == 500 or True
    def test_constant_words(): ask(); assert "status" and 1 == 1, "never"
    def test_fail_untaken():
        if ask() != 200: pytest.fail("down")
    def test_raise_untaken():
        if ask() != 200: raise AssertionError("down")
    def test_error_through_warns():
        with pytest.raises(ZeroDivisionError): pass
    def test_context_unused(): ask(); unittest.TestCase().assertRaises(ZeroDivisionError)
    def test_library_of_its_own():
        import outside
        assert_nothing = outside.client(URL)
"""
# A client library outside the suite's folder that checks its own answers.
OUTSIDE = """
    import requests
    def client(url):
        answer = requests.get(url)
        answer.raise_for_status()
        assert answer.status_code == 200
        return answer
"""


@pytest.fixture
def make_suite(tmp_path: Path, server: Server) -> Callable[..., CellPlan]:
    """Return a function that writes a suite with helpers and one test file, and plans its cell."""

    def make(source: str, python: Path | None = None, helpers: tuple[str, ...] = ()) -> CellPlan:
        suite = tmp_path / "shop"
        (suite / "pages").mkdir(parents=True)
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "outside.py").write_text(dedent(OUTSIDE))
        (suite / "helpers.py").write_text(dedent(HELPERS))
        (suite / "pages" / "front.py").write_text("def should_be_ok(code):\n    assert code == 200\n")
        quiet = "filterwarnings =\n    error\n    ignore:assertion is always true\n"
        (suite / "pytest.ini").write_text(f"[pytest]\npythonpath = {tmp_path / 'lib'}\n{quiet}")
        (suite / "test_it.py").write_text(dedent(source))
        names = [line.split()[1].partition("(")[0] for line in source.splitlines() if "def test_" in line]
        return CellPlan(
            suite_path=suite, suite="shop", backend="default", cell_dir=tmp_path / "run" / "cells" / "shop-default",
            env={"NIGHTPROOF_RUN_ID": "20261120T020000Z-abcdef", "NIGHTPROOF_URL_SHOP": server.url}, timeout_s=60,
            test_ids=tuple(f"shop/test_it::{name}" for name in names),
            world=World(python, {}, ("-p", "no:asyncio"), helpers),
        )  # fmt: skip

    return make


def counted(plan: CellPlan) -> dict[str, tuple[str, bool]]:
    """Run a cell; return each test's outcome and whether a check of it counted."""
    run_cell(plan, lambda _lines: None, GroupRegistry())
    found = read_cell(plan.cell_dir).attempts
    return {name.partition("::")[2]: (str(a[-1].outcome), a[-1].assertions > 0) for name, a in found.items()}


@pytest.mark.parametrize(
    ("group", "source"), [("oldest", CHECKING), ("strangers", CHECKING + LIBRARIES)], ids=["oldest", "newest"]
)
def test_every_style_of_checking_counts(
    make_suite: Callable[..., CellPlan], world: Callable[[str], Path], group: str, source: str
) -> None:
    """A check by a helper, a context manager or a library counts, in old and new pytest."""
    plan = make_suite(source, world(group))
    assert counted(plan) == {name.partition("::")[2]: ("passed", True) for name in plan.test_ids}


def test_what_checks_nothing_does_not_count(make_suite: Callable[..., CellPlan], world: Callable[[str], Path]) -> None:
    """Constants, unreached branches, unused context managers and a library's own assertions do not count."""
    plan = make_suite(IDLE, world("strangers"))
    failing = {"test_error_through_warns": ("failed", False)}
    expected = {name.partition("::")[2]: ("passed", False) for name in plan.test_ids} | failing
    assert counted(plan) == expected


@pytest.mark.parametrize("helper", ["outside", "lib"])
def test_a_declared_helper_counts(make_suite: Callable[..., CellPlan], tmp_path: Path, helper: str) -> None:
    """A package or folder outside the suite counts if the profile lists it as a helper."""
    plan = make_suite(IDLE, helpers=(helper if helper == "outside" else str(tmp_path / "lib"),))
    found = counted(replace(plan, test_ids=("shop/test_it::test_library_of_its_own",)))
    assert found == {"test_library_of_its_own": ("passed", True)}


DECLARED = """
    import os, requests
    from nightproof.evidence import checked
    def test_declared():
        if requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code != 200: raise RuntimeError("down")
        checked("the front page answers 200")
    def test_nameless():
        checked("")
"""


def test_a_check_of_the_suites_own_making_is_declared(
    make_suite: Callable[..., CellPlan], world: Callable[[str], Path]
) -> None:
    """`checked` counts a check of the suite's own, and refuses one without a description."""
    plan = make_suite(DECLARED, world("oldest"))
    assert counted(plan) == {"test_declared": ("passed", True), "test_nameless": ("failed", False)}
    properties = read_cell(plan.cell_dir).properties["shop/test_it::test_declared"]
    assert ("checked", "the front page answers 200") in properties


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("True", True), ("1 == 1", True), ("'a' in 'abc'", True), ("(answer, 'words')", True), ("not None", True),
        ("answer or True", True), ("answer and True", False), ("answer", False), ("ask() == 200", False),
        ("await ask()", False), ("x[0]", False),
    ],
)  # fmt: skip
def test_a_constant_is_told_from_a_check(source: str, verdict: bool) -> None:  # noqa: FBT001 - a column of the table
    """Only an expression whose truth depends on a value counts as a check."""
    assert always_holds(ast.parse(source, mode="eval").body) is verdict
