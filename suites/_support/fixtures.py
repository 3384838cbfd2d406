"""Fixtures of the Quilt suites; a suite takes them all into its conftest.py."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence.state import RECORDING
from suites._support.athena import Tabulator
from suites._support.control import CallLog
from suites._support.control import Control
from suites._support.control import Faults
from suites._support.exclusive import borrowed
from suites._support.glue import GlueTables
from suites._support.isolated import Isolated
from suites._support.observer import Observer
from suites._support.open_query import OpenQuery
from suites._support.people import People
from suites._support.seeds import Seeds
from suites._support.settings import Settings
from suites._support.settings import settings
from suites._support.tables import Tables
from suites._support.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.quilt import QuiltOps
    from suites._support.work import Ledger


@pytest.fixture(scope="session")
def target() -> Settings:
    """Give addresses, names and tokens of the target."""
    return settings()


@pytest.fixture(scope="session")
def as_user(backend: str) -> Callable[[str], QuiltOps]:
    """Give a function that signs a user of the target in."""
    from suites._support.sessions import sign_in  # noqa: PLC0415 - collection must not import a client

    return lambda user: sign_in(backend, user)


@pytest.fixture(scope="session")
def own_refresh_token() -> Callable[[str], str]:
    """Give a function that makes a refresh token of a user for a client that exchanges it by itself."""
    from suites._support import sessions  # noqa: PLC0415 - as above

    return sessions.own_refresh_token


@pytest.fixture(scope="session")
def make_ops(backend: str) -> Callable[..., QuiltOps]:
    """Give a function that makes an instance with credentials of the test's choice."""
    from suites._support.sessions import with_credentials  # noqa: PLC0415 - as above

    return lambda given, **more: with_credentials(backend, given, **more)


@pytest.fixture(scope="session")
def quilt_ops(as_user: Callable[[str], QuiltOps], target: Settings) -> QuiltOps:
    """Give the interface under test, signed in as the test user."""
    return as_user(target.user)


@pytest.fixture(scope="session")
def admin_ops(as_user: Callable[[str], QuiltOps], target: Settings) -> QuiltOps:
    """Give the interface under test, signed in as the test admin."""
    return as_user(target.admin_user)


@pytest.fixture(scope="session")
def test_registry(target: Settings) -> str:
    """Give the registry of the baseline packages, which tests only read."""
    return target.registry


@pytest.fixture(scope="session")
def observer() -> Observer:
    """Give the independent reader."""
    return Observer()


@pytest.fixture(scope="session")
def seeds(target: Settings) -> Seeds:
    """Give the seed manifest."""
    return Seeds(target.seeds, target.placement)


@pytest.fixture(scope="session")
def isolated(backend: str, target: Settings, observer: Observer) -> Isolated:
    """Give child processes with a home of their own."""
    registry_url = observer.config_json(target.catalog_url)["registryUrl"]
    return Isolated(backend, target.catalog_url, registry_url, target.registry)


def _test_id() -> str:
    return RECORDING.test.id if RECORDING.test else ""


def _label(backend: str) -> str:
    """Tell a test's names from those of every other test, which may run at the same time, and of its other pass."""
    digest = hashlib.sha256(_test_id().encode()).hexdigest()[:4]
    return f"{backend[0]}{digest}{os.environ.get('NIGHTPROOF_PASS', '1')}"


@pytest.fixture
def work(ledger: Ledger, observer: Observer, quilt_ops: QuiltOps, target: Settings, backend: str) -> Iterator[Work]:
    """Give a work space in the writable registry that takes away what the test made there."""
    space = Work(
        ledger=ledger, observer=observer, ops=quilt_ops, bucket=target.work, label=_label(backend), test_id=_test_id()
    )
    yield space
    space.remove()


@pytest.fixture(scope="session")
def control() -> Control:
    """Give the testbed's control surface."""
    return Control()


@pytest.fixture
def call_log(control: Control) -> CallLog:
    """Give what the services logged of this test."""
    return CallLog(control)


@pytest.fixture
def fault(control: Control, target: Settings) -> Iterator[Faults]:
    """Give faults that end with the test."""
    faults = Faults(control, target.placement)
    yield faults
    faults.reset()


@pytest.fixture
def people(
    ledger: Ledger, admin_ops: QuiltOps, make_ops: Callable[..., QuiltOps], target: Settings, backend: str
) -> Iterator[People]:
    """Give what makes users, and removes those that the test made."""
    made = People(
        ledger=ledger,
        admin=admin_ops.admin,
        make_ops=make_ops,
        target=target,
        label=_label(backend),
        test_id=_test_id(),
    )
    yield made
    made.remove()


@pytest.fixture
def tables(ledger: Ledger, admin_ops: QuiltOps, backend: str) -> Iterator[Tables]:
    """Give names of Tabulator tables, and remove what the test made under them."""
    made = Tables(ledger=ledger, admin=admin_ops, label=_label(backend), test_id=_test_id())
    yield made
    made.remove()


@pytest.fixture
def scratch_work(
    ledger: Ledger, observer: Observer, quilt_ops: QuiltOps, target: Settings, backend: str
) -> Iterator[Work]:
    """Give a work space like `work` in the unversioned scratch bucket."""
    space = Work(
        ledger=ledger,
        observer=observer,
        ops=quilt_ops,
        bucket=target.scratch,
        label=_label(backend),
        test_id=_test_id(),
    )
    yield space
    space.remove()


@pytest.fixture
def tabulator(quilt_ops: QuiltOps, target: Settings) -> Tabulator:
    """Give SQL on the catalog's tables, with keys that the catalog issues to the test user."""
    config = quilt_ops.get_catalog_config(target.catalog_url)
    return Tabulator(quilt_ops.get_boto3_client("athena"), config.tabulator_data_catalog, target.time_factor)


@pytest.fixture
def glue_tables(ledger: Ledger, target: Settings, backend: str) -> Iterator[GlueTables]:
    """Give external tables over objects that end with the test."""
    made = GlueTables(ledger, target.glue_database, _label(backend), _test_id())
    yield made
    made.remove()


@pytest.fixture
def open_query(admin_ops: QuiltOps, target: Settings) -> Iterator[OpenQuery]:
    """Give the switch of open query, held by this test alone and given back as it was."""
    switch = OpenQuery(admin_ops)
    with borrowed(target.placement, "open-query", switch.read, switch.write):
        yield switch
