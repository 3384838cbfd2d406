"""The catalogue: collecting, locking, comparing, and locks that are damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.verdict import catalogue

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import pytest
from nightproof.evidence import case

@case(tier="critical", category="orders", needs=("write",), unsupported={"b": "by-design"}, journey="buy")
def test_order(): assert True

@pytest.mark.parametrize("n", [1, 2])
def test_number(n): assert n

class TestCart:
    @case(wire="none", wire_reason="local", owner="carts", serial=True)
    def test_empty(self): assert True
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Write a suite with two backends."""
    folder = tmp_path / "shop"
    (folder / "deep").mkdir(parents=True)
    (folder / "suite.toml").write_text('backends = ["a", "b"]\nowner = "shop-team"\n[unsupported]\nby-design = "no"\n')
    (folder / "deep" / "test_it.py").write_text(SOURCE)
    return folder


def test_collected_tests_carry_their_declaration(suite: Path) -> None:
    """Ids are suite, file and test; undecorated tests have the defaults and the suite's owner."""
    found = catalogue.collect(suite)
    assert (found.suite, found.backends) == ("shop", ("a", "b"))
    assert sorted(found.tests) == [
        "shop/deep/test_it::TestCart::test_empty",
        "shop/deep/test_it::test_number[1]",
        "shop/deep/test_it::test_number[2]",
        "shop/deep/test_it::test_order",
    ]
    order = found.tests["shop/deep/test_it::test_order"]
    assert (order.tier, order.needs, order.unsupported, order.owner) == (
        "critical", ("write",), {"b": "by-design"}, "shop-team",
    )  # fmt: skip
    assert found.tests["shop/deep/test_it::TestCart::test_empty"].owner == "carts"
    assert found.tests["shop/deep/test_it::test_number[1]"].tier == "normal"


def test_lock_reads_back_and_shows_drift(suite: Path) -> None:
    """A written lock is read back equal; added, removed and changed tests are named."""
    found = catalogue.collect(suite)
    path = catalogue.write_lock(suite, found)
    assert path == suite / "catalogue.lock.json"
    assert catalogue.read_lock(suite) == found
    assert not catalogue.check_catalogue(suite)
    tests = dict(found.tests)
    gone = tests.pop("shop/deep/test_it::test_order")
    first = next(iter(tests))
    tests[first] = replace(tests[first], tier="high")
    drift = catalogue.compare(replace(found, tests=tests), found)
    assert drift == catalogue.Drift((gone.id,), (), (first,))
    assert catalogue.compare(found, replace(found, tests=tests)).removed == (gone.id,)


def test_test_that_the_lock_lacks_is_refused_by_name(suite: Path) -> None:
    """A test that the lock lacks is a UsageError with its name."""
    catalogue.write_lock(suite, replace(catalogue.collect(suite), tests={}))
    with pytest.raises(UsageError, match=r"lacks .*test_order`.*catalogue --update"):
        catalogue.check_catalogue(suite)


def test_suites_of_one_folder_share_a_lock(tmp_path: Path) -> None:
    """Writing one suite's part of a shared lock leaves the other parts unchanged."""
    for name in ("one", "two"):
        folder = tmp_path / "suites" / name
        folder.mkdir(parents=True)
        catalogue.write_lock(folder, catalogue.SuiteCatalogue(name, ("default",), {}))
    lock = json.loads((tmp_path / "suites" / "catalogue.lock.json").read_text())
    assert sorted(lock["suites"]) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no `suites`"),
        ('{"schema": 2, "suites": {}}', "schema is 2"),
        ('{"schema": 1, "suites": {}}', "lacks the suite `shop`"),
        ('{"schema": 1, "suites": {"shop": {}}}', "incomplete"),
        ('{"schema": 1, "suites": {"shop": {"backends": [], "tests": {"x": {"odd": 1}}}}}', "wrong `odd`"),
    ],
)
def test_damaged_lock_names_itself_and_the_remedy(text: str, words: str, suite: Path) -> None:
    """A damaged lock is a UsageError with its path and the remedy."""
    (suite / "catalogue.lock.json").write_text(text)
    with pytest.raises(UsageError, match=words) as refusal:
        catalogue.read_lock(suite)
    assert "catalogue --update" in str(refusal.value)


def test_missing_lock_says_how_to_write_it(suite: Path) -> None:
    """A missing lock is a UsageError with the command that writes it."""
    with pytest.raises(UsageError, match="catalogue --update"):
        catalogue.read_lock(suite)


def test_suite_that_cannot_be_imported_is_refused_in_pytest_words(suite: Path) -> None:
    """An import error of a suite is shown in pytest's own words."""
    (suite / "test_broken.py").write_text("import nowhere_at_all\n")
    with pytest.raises(UsageError, match="nowhere_at_all"):
        catalogue.collect(suite)


def test_unregistered_reason_is_refused(suite: Path) -> None:
    """A reason id that suite.toml lacks is refused."""
    (suite / "deep" / "test_it.py").write_text(SOURCE.replace("by-design", "by-mood"))
    with pytest.raises(UsageError, match="by-mood"):
        catalogue.collect(suite)


@pytest.mark.parametrize("addopts", ["-n 2 -x", "--sw", "--dist=loadfile --numprocesses=auto"])
def test_options_for_a_persons_pytest_hinder_no_catalogue(suite: Path, addopts: str) -> None:
    """A suite whose own options start workers or stop early is collected completely."""
    (suite / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
    assert len(catalogue.collect(suite).tests) == 4
