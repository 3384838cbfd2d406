"""The committed tables: every test of a suite has a killer on each of its backends, every defect has a switch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from nightproof.evidence.suite import load_suite
from nightproof.prove.table import EVERY
from nightproof.prove.table import Defect
from nightproof.prove.table import read_table
from nightproof.verdict.catalogue import read_lock
from suites._defects.client import DEFECTS as OF_PROCESS
from suites._defects.harness import DEFECTS as OF_HARNESS
from testbed.aws.app import new_faults
from testbed.catalog.defects import SENTENCES as OF_CATALOG

LOCKED: Final = json.loads(Path("suites/catalogue.lock.json").read_text(encoding="utf-8"))["suites"]
TABLES: Final = sorted(path.parent for path in Path("suites").glob("*/defects.toml"))
SUITES: Final = [path for path in TABLES if load_suite(path).name in LOCKED]
KNOWN: Final = {
    "aws": set(new_faults().defects), "catalog": set(OF_CATALOG), "client": set(OF_PROCESS), "harness": set(OF_HARNESS),
}  # fmt: skip
LATENCY: Final = re.compile(r"-(?:latency|lag)-(\d+)s$")


def declared(suite: Path) -> set[str]:
    """Return the suite's tests as the table names them."""
    return {test.removeprefix(f"{load_suite(suite).name}/") for test in read_lock(suite).tests}


def defects_of_present_tests(suite: Path) -> list[Defect]:
    """Return the defects that are named for a test that is there; the others wait for theirs."""
    names = declared(suite) | {EVERY}
    return [found for found in read_table(suite).defects if any(names & set(tests) for tests in found.kills.values())]


def test_every_suite_of_the_project_declares_its_defects() -> None:
    """Every suite of the project has a table of defects."""
    assert [path.name for path in TABLES] == sorted(path.parent.name for path in Path("suites").glob("*/suite.toml"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_every_test_has_a_killer_on_each_backend(suite: Path) -> None:
    """Every test is named by a defect on each of its backends."""
    defects = read_table(suite).defects
    lock = read_lock(suite)
    runs = {
        (name, backend)
        for name, test in lock.tests.items()
        for backend in lock.backends
        if not test.unsupported.get(backend)
    }
    killed = {
        (f"{lock.suite}/{test}", backend)
        for found in defects
        for backend in lock.backends
        for test in found.tests(backend)
    }
    assert runs - killed == set()


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_every_defect_of_a_present_test_has_its_switch(suite: Path) -> None:
    """Every defect of a present test is known to each of its places."""
    named = {(place, found.name) for found in defects_of_present_tests(suite) for place in found.places}
    assert {(place, name) for place, name in named if name not in KNOWN[place]} == set()


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_a_latency_defect_has_the_seconds_of_its_name(suite: Path) -> None:
    """A latency defect declares the seconds of its name."""
    for found in read_table(suite).defects:
        named = LATENCY.search(found.name)
        assert found.seconds == (int(named[1]) if named else 0), found.name


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_a_table_names_backends_of_its_suite(suite: Path) -> None:
    """A table names only backends of its suite."""
    backends = {backend for found in read_table(suite).defects for backend in found.kills}
    assert backends <= {"all", *load_suite(suite).backends}
