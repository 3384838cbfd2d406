"""Fixtures of the catalog's tests: a caller, and switches that are always turned off again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest
import quilt3.admin
import requests

from tests.testbed.catalog.calling import Calling
from tests.testbed.catalog.making import Making

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.target import Target


@pytest.fixture(scope="session")
def catalog(embedded: Target) -> Iterator[Calling]:
    """Give a caller of the session's testbed."""
    calling = Calling(embedded)
    yield calling
    calling.http.close()


@pytest.fixture
def switch(catalog: Calling) -> Iterator[Callable[..., None]]:
    """Give a function that turns a fault or defect on; all are off after the test."""

    def turn_on(name: str, **parameters: Any) -> None:
        answer = catalog.control("PUT", f"faults/{name}", parameters)
        assert answer.status_code == 200, answer.text

    yield turn_on
    for name in catalog.control("GET", "faults").json()["active"]:
        catalog.control("DELETE", f"faults/{name}")


@pytest.fixture
def switch_storage(catalog: Calling) -> Iterator[Callable[..., None]]:
    """Give a function that turns a fault of the storage on; all are off after the test."""
    url = catalog.target.facts["services"]["aws"]["url"]
    headers = {"Authorization": f"Bearer {catalog.target.facts['control_token']}"}

    def turn_on(name: str, **parameters: Any) -> None:
        answer = catalog.http.put(f"{url}/_nightproof/faults/{name}", json=parameters, headers=headers)
        assert answer.status_code == 200, answer.text

    yield turn_on
    for name in catalog.http.get(f"{url}/_nightproof/faults", headers=headers).json()["active"]:
        catalog.http.delete(f"{url}/_nightproof/faults/{name}", headers=headers)


@pytest.fixture
def admin(catalog: Calling, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give quilt3's own admin client, signed in as an admin."""
    with requests.Session() as session:
        session.headers.update(catalog.bearer("test-admin"))
        monkeypatch.setattr("quilt3.session.get_registry_url", lambda: catalog.registry)
        monkeypatch.setattr("quilt3.session.get_session", lambda: session)
        yield quilt3.admin


@pytest.fixture
def making(catalog: Calling, admin: Any) -> Iterator[Making]:
    """Give the maker; what it made is gone after the test."""
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
