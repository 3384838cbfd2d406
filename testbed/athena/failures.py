"""How a query fails.

QueryFailedError      the query exists and failed: its state is FAILED, with the reason
InvalidRequestError   the request itself is refused: HTTP 400, no query exists
"""

from __future__ import annotations


class QueryFailedError(Exception):
    """A query that cannot return its result; the message is the reason that the caller reads."""


class InvalidRequestError(Exception):
    """A request that Athena refuses at once; `code` is the exception's name in its API."""

    def __init__(self, message: str, code: str = "InvalidRequestException") -> None:
        super().__init__(message)
        self.code = code


def unsupported(what: str) -> QueryFailedError:
    """Return the error for something that Athena supports and this engine does not."""
    return QueryFailedError(f"NOT_SUPPORTED: {what} is not supported by the embedded Athena.")
