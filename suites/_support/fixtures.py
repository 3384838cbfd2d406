"""Fixtures of the Quilt suites; each suite's conftest.py imports them all."""

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
    """Return the target's addresses, names and tokens."""
    return settings()


@pytest.fixture(scope="session")
def as_user(backend: str) -> Callable[[str], QuiltOps]:
    """Return a function that signs in a user of the target and returns the client."""
    from suites._support.sessions import sign_in  # noqa: PLC0415 - collection must not import a client

    return lambda user: sign_in(backend, user)


@pytest.fixture(scope="session")
def own_refresh_token() -> Callable[[str], str]:
    """Return a function that issues a separate refresh token, for a client that exchanges it by itself."""
    from suites._support import sessions  # noqa: PLC0415 - as above

    return sessions.own_refresh_token


@pytest.fixture(scope="session")
def make_ops(backend: str) -> Callable[..., QuiltOps]:
    """Return a function that creates a client with credentials of the test's choice."""
    from suites._support.sessions import with_credentials  # noqa: PLC0415 - as above

    return lambda given, **more: with_credentials(backend, given, **more)


@pytest.fixture(scope="session")
def quilt_ops(as_user: Callable[[str], QuiltOps], target: Settings) -> QuiltOps:
    """Return the interface under test, signed in as the test user."""
    return as_user(target.user)


@pytest.fixture(scope="session")
def admin_ops(as_user: Callable[[str], QuiltOps], target: Settings) -> QuiltOps:
    """Return the interface under test, signed in as the test admin."""
    return as_user(target.admin_user)


@pytest.fixture(scope="session")
def test_registry(target: Settings) -> str:
    """Return the registry of the baseline packages; tests only read it."""
    return target.registry


@pytest.fixture(scope="session")
def observer() -> Observer:
    """Return the independent reader."""
    return Observer()


@pytest.fixture(scope="session")
def seeds(target: Settings) -> Seeds:
    """Return the seed manifest."""
    return Seeds(target.seeds, target.placement)


@pytest.fixture(scope="session")
def isolated(backend: str, target: Settings, observer: Observer) -> Isolated:
    """Return a runner of steps in child processes, each on request with its own home directory."""
    registry_url = observer.config_json(target.catalog_url)["registryUrl"]
    return Isolated(backend, target.catalog_url, registry_url, target.registry)


def _test_id() -> str:
    return RECORDING.test.id if RECORDING.test else ""


def _label(backend: str) -> str:
    """Return a label unique to this test, backend and pass, so that concurrent tests never share names."""
    digest = hashlib.sha256(_test_id().encode()).hexdigest()[:4]
    return f"{backend[0]}{digest}{os.environ.get('NIGHTPROOF_PASS', '1')}"


@pytest.fixture
def work(ledger: Ledger, observer: Observer, quilt_ops: QuiltOps, target: Settings, backend: str) -> Iterator[Work]:
    """Yield a work space in the writable registry; delete what the test created there."""
    space = Work(
        ledger=ledger, observer=observer, ops=quilt_ops, bucket=target.work, label=_label(backend), test_id=_test_id()
    )
    yield space
    space.remove()


@pytest.fixture(scope="session")
def control() -> Control:
    """Return the client of the testbed's control interface."""
    return Control()


@pytest.fixture
def call_log(control: Control) -> CallLog:
    """Return the services' log of this test's requests."""
    return CallLog(control)


@pytest.fixture
def fault(control: Control, target: Settings) -> Iterator[Faults]:
    """Yield the switch of faults; reset all that the test set."""
    faults = Faults(control, target.placement)
    yield faults
    faults.reset()


@pytest.fixture
def people(
    ledger: Ledger, admin_ops: QuiltOps, make_ops: Callable[..., QuiltOps], target: Settings, backend: str
) -> Iterator[People]:
    """Yield a factory of users; delete those that the test created."""
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
    """Yield a source of Tabulator table names; delete the tables created under them."""
    made = Tables(ledger=ledger, admin=admin_ops, label=_label(backend), test_id=_test_id())
    yield made
    made.remove()


@pytest.fixture
def scratch_work(
    ledger: Ledger, observer: Observer, quilt_ops: QuiltOps, target: Settings, backend: str
) -> Iterator[Work]:
    """Yield a work space like `work`, but in the unversioned scratch bucket."""
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
    """Return SQL on the catalog's tables, with AWS credentials that the catalog issues to the test user."""
    config = quilt_ops.get_catalog_config(target.catalog_url)
    return Tabulator(quilt_ops.get_boto3_client("athena"), config.tabulator_data_catalog, target.time_factor)


@pytest.fixture
def glue_tables(ledger: Ledger, target: Settings, backend: str) -> Iterator[GlueTables]:
    """Yield a factory of external tables over objects; delete those that the test created."""
    made = GlueTables(ledger, target.glue_database, _label(backend), _test_id())
    yield made
    made.remove()


@pytest.fixture
def open_query(admin_ops: QuiltOps, target: Settings) -> Iterator[OpenQuery]:
    """Yield the switch of open query, held by this test alone; restore its state."""
    switch = OpenQuery(admin_ops)
    with borrowed(target.placement, "open-query", switch.read, switch.write):
        yield switch
