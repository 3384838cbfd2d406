"""The part of a backend that its helpers use: the way to the catalog, the issued keys and the common errors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

if TYPE_CHECKING:
    from nightproof.quilt.admin_calls import Call
    from nightproof.quilt.answers import Person
    from nightproof.quilt.aws import IssuedKeys
    from nightproof.quilt.catalog import Catalog
    from nightproof.quilt.exceptions import NotFoundError
    from nightproof.quilt.records import Timeouts
    from nightproof.quilt.validation import Rules


class Caller(Protocol):
    """A backend as its helpers see it. It lets them be imported by the backend, and never the other way round."""

    @property
    def timeouts(self) -> Timeouts:
        """The time limits of one request."""

    @property
    def catalog(self) -> Catalog:
        """The client of the registry, with the credentials of the user."""

    @property
    def keys(self) -> IssuedKeys:
        """The AWS keys that the catalog issued to the user."""

    def me(self, operation: str) -> Person:
        """Return the signed-in user; raise AuthenticationError if there is none."""

    def not_found(self, operation: str, resource: str, identifier: str, where: str, hint: str = "") -> NotFoundError:
        """Return the NotFoundError for a missing resource."""


class AdminCaller(Caller, Protocol):
    """A backend that also sends the admin operations."""

    def rules(self, operation: str) -> Rules:
        """Return the argument rules of one operation."""

    def settle(self, operation: str, call: Call, **arguments: Any) -> Any:
        """Send a call, and raise the contract's error if the registry rejects it."""
