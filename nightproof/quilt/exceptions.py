"""The five errors of a QuiltOps backend.

QuiltOpsError
├── AuthenticationError   no token, or an invalid one
├── BackendError          the operation failed in the system or the client; see context `kind`
├── ValidationError       the caller's input is rejected
├── NotFoundError         the named resource does not exist
└── PermissionError       the caller's role lacks a right
"""

from __future__ import annotations

from typing import Any


class QuiltOpsError(Exception):
    """Base class: `message` for a person, `context` with exactly the keys that the class promises.

    Every context has `backend_type` and `operation`; the classes list the keys that they add.
    """

    def __init__(self, message: str, context: dict[str, Any]) -> None:
        super().__init__(message)
        self.message = message
        self.context = context


class AuthenticationError(QuiltOpsError):
    """Nobody is signed in, or the token is invalid.

    Context: `auth_method`, `reason`, `remediation`; `expires_at` too if the reason is `expired`.
    """


class BackendError(QuiltOpsError):
    """The operation failed in the system under test or in the client library.

    Context: `kind`, `original_exception`, and further keys by kind. Kinds are `bad_config`, `client`, `conflict`,
    `graphql`, `http`, `protocol`, `result_limit`, `s3`, `timeout` and `unreachable`.
    """


class ValidationError(QuiltOpsError):
    """An argument breaks a rule.

    Context: `field_name`, `field_value`, `validation_rule`; `index` too for an entry of a list.
    """


class NotFoundError(QuiltOpsError):
    """A named resource does not exist.

    Context: `resource_type`, `identifier`, `search_location`.
    """


class PermissionError(QuiltOpsError):  # noqa: A001 - the contract's name; import the module, not the name
    """The caller's role lacks a right.

    Context: `required_permissions`, `user_role`, `access_level`.
    """
