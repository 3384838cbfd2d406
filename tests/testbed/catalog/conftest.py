"""Fixtures of the catalog's tests: a caller, and switches that are always turned off again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import Calling

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.target import Target


@pytest.fixture(scope="session")
def catalog(embedded: Target) -> Calling:
    """Give a caller of the session's testbed."""
    return Calling(embedded)


@pytest.fixture
def switch(catalog: Calling) -> Iterator[Callable[..., None]]:
    """Give a function that turns a fault or defect on; all are off after the test."""

    def turn_on(name: str, **parameters: Any) -> None:
        answer = catalog.control("PUT", f"faults/{name}", parameters)
        assert answer.status_code == 200, answer.text

    yield turn_on
    for name in catalog.control("GET", "faults").json()["active"]:
        catalog.control("DELETE", f"faults/{name}")
