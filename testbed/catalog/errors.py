"""The two ways in which a GraphQL operation is refused; each becomes a member of the operation's union."""

from __future__ import annotations


class InputError(Exception):
    """Invalid input of the caller; becomes an InvalidInput arm."""

    def __init__(self, path: str, name: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.name = name


class OperationError(Exception):
    """An operation that cannot be done now; becomes an OperationError arm."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
