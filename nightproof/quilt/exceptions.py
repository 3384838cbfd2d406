"""The five errors of a QuiltOps backend.

QuiltOpsError
├── AuthenticationError   no token, or one that no longer counts
├── BackendError          the system failed; context `kind` says how
├── ValidationError       the caller's input is refused
├── NotFoundError         the named thing does not exist
└── PermissionError       the caller's role lacks a right
"""

from __future__ import annotations

from typing import Any


class QuiltOpsError(Exception):
    """Base: `message` for a person, `context` with exactly the keys that the class promises."""

    def __init__(self, message: str, context: dict[str, Any]) -> None:
        super().__init__(message)
        self.message = message
        self.context = context


class AuthenticationError(QuiltOpsError):
    """Nobody is signed in, or the token does not count."""


class BackendError(QuiltOpsError):
    """The system under test failed."""


class ValidationError(QuiltOpsError):
    """An argument breaks a rule."""


class NotFoundError(QuiltOpsError):
    """A named thing does not exist."""


class PermissionError(QuiltOpsError):  # noqa: A001 - the contract's name; import the module, not the name
    """The caller's role may not do this."""
