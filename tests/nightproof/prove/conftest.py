"""A suite of its own with a table of defects, over the shared testbed's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from nightproof.plan import CellSpec
from nightproof.profile import Profile
from nightproof.prove.plan import Unit
from nightproof.prove.table import read_table
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.catalogue import SuiteCatalogue
from nightproof.verdict.catalogue import write_lock

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import os
import requests

def config():
    return requests.get(os.environ["QUILT_TEST_CATALOG_URL"] + "/config.json").json()

def test_names_a_bucket(): assert config()["analyticsBucket"]
def test_is_blind(): assert config()
def test_is_red_anyway(): assert config()["no_such_key"]
"""
PLUGIN = """
import os

def pytest_runtest_call(item):
    assert os.environ["NIGHTPROOF_CLIENT_DEFECT"] != "client-breaks-all"
"""
TABLE = """
plugin = "broken_client"

[defect.config-drops-analytics-bucket]
places = ["catalog"]
kills.all = ["test_it::test_names_a_bucket", "test_it::test_is_blind", "test_it::test_is_red_anyway"]
kills.platform = ["test_it::test_to_be_written"]

[defect.client-breaks-all]
places = ["client"]
kills.platform = ["test_it::test_is_blind"]

[defect.no-server-knows-this]
places = ["aws"]
kills.platform = ["test_it::test_is_blind"]
"""
NAMES = ("test_names_a_bucket", "test_is_blind", "test_is_red_anyway")


@dataclass
class Proving:
    """A folder with the suite `shop` and the profile over it."""

    folder: Path

    @property
    def suite(self) -> Path:
        """The suite's folder."""
        return self.folder / "shop"

    @property
    def profile(self) -> Profile:
        """An embedded profile of this suite alone."""
        given = {"target": "embedded", "state_dir": str(self.folder / "state"), "suite": [{"path": str(self.suite)}]}
        return Profile.model_validate(given)

    def write(self, table: str = TABLE, tests: str = TESTS, names: tuple[str, ...] = NAMES) -> None:
        """Write suite, plugin, table and a lock that declares some of the tests."""
        self.suite.mkdir(exist_ok=True)
        (self.suite / "suite.toml").write_text(
            'name = "shop"\nbackends = ["platform", "quilt3"]\ntest_timeout_s = 20\n'
        )
        (self.suite / "pytest.ini").write_text("[pytest]\n")
        (self.suite / "test_it.py").write_text(tests)
        (self.suite / "broken_client.py").write_text(PLUGIN)
        (self.suite / "defects.toml").write_text(table)
        declared = {f"shop/test_it::{name}": CatalogueTest(f"shop/test_it::{name}") for name in names}
        write_lock(self.suite, SuiteCatalogue("shop", ("platform", "quilt3"), declared))

    def unit(self, defect: str) -> Unit:
        """Return the unit of a defect on the platform, its missing tests left out, without collecting the suite."""
        table = read_table(self.suite)
        (found,) = [one for one in table.defects if one.name == defect]
        known = {f"shop/test_it::{name}": CatalogueTest(f"shop/test_it::{name}") for name in NAMES}
        named = tuple(f"shop/{test}" for test in found.tests("platform") if f"shop/{test}" in known)
        return Unit(CellSpec(self.suite, "shop", "platform", 30, (), known), named, 0.25, found, table.plugin)


@pytest.fixture
def proving(tmp_path: Path) -> Proving:
    """Write the suite with everything a proof can say about a test."""
    made = Proving(tmp_path)
    made.write()
    return made
