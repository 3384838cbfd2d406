"""The error arms (members of a result union) that mutations return."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError
from graphql import GraphQLError

from testbed.catalog.browsing import GoneError
from testbed.catalog.errors import InputError
from testbed.catalog.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

FORBIDDEN: Final = 403


def bend_of(info: Any) -> Callable[..., Any]:
    """Return the function that applies the active defects to a value."""
    bend: Callable[..., Any] = info.context.registry.defects.bend
    return bend


def armed(info: Any, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `act`, or the error arm for the exception that it raised."""
    bend = bend_of(info)
    try:
        return act()
    except InputError as error:
        return invalid(error.path, error.name, bend("message", str(error)))
    except OperationError as error:
        return failed(error.name, bend("message", str(error)))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != FORBIDDEN:
            raise
        return failed("AWSError", bend("message", f"The storage refuses this to the catalog: {error}."), _told(error))
    except GoneError as error:
        return failed("SessionNotFound", bend("message", str(error)))


def _told(error: ClientError) -> dict[str, Any]:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    told = error.response["Error"]
    return {"status_code": status, "error_code": told.get("Code"), "error_message": told.get("Message")}


def failed(name: str, message: str, context: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an OperationError arm."""
    return {"__typename": "OperationError", "name": name, "message": message, "context": context or {}}


def invalid(path: str, name: str, message: str) -> dict[str, Any]:
    """Return an InvalidInput arm with one error."""
    return {"__typename": "InvalidInput", "errors": [{"path": path, "name": name, "message": message, "context": {}}]}


class MarkedError(Exception):
    """An error that has a GraphQL type of its own, named `arm`."""

    def __init__(self, arm: str, message: str = "") -> None:
        super().__init__(message)
        self.arm = arm


def marked(info: Any, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `act`, or the arm that MarkedError names.

    An InputError has no arm here and fails the request.
    """
    try:
        return act()
    except MarkedError as error:
        return {"__typename": error.arm, "message": bend_of(info)("message", str(error))}
    except InputError as error:
        raise GraphQLError(str(error)) from error
