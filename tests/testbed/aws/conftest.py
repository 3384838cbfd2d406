"""Fixtures of the AWS tests: a caller, a prefix unique to the test, and fault switches that are reset."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.aws.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.target import Target


@pytest.fixture(scope="session")
def aws(embedded: Target) -> Asking:
    """Return a caller of the session's testbed."""
    return Asking(embedded)


@pytest.fixture
def prefix() -> str:
    """Return a key prefix that no other test uses."""
    return f"tests/{uuid.uuid4().hex}/"


@pytest.fixture
def switch(aws: Asking) -> Iterator[Callable[..., None]]:
    """Yield a function that switches on a fault or defect. All are off after the test."""

    def turn_on(name: str, **parameters: Any) -> None:
        answer = aws.control("PUT", f"faults/{name}", parameters)
        assert answer.status_code == 200, answer.text

    yield turn_on
    for name in aws.control("GET", "faults").json()["active"]:
        aws.control("DELETE", f"faults/{name}")
