"""The base of every group of admin operations."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from nightproof.quilt.admin_contract import AdminOps

if TYPE_CHECKING:
    from nightproof.quilt.admin_calls import Call
    from nightproof.quilt.caller import AdminCaller
    from nightproof.quilt.validation import Rules


class Group(AdminOps):
    """A group of operations on one backend; errors name them `admin.<method>`."""

    def __init__(self, ops: AdminCaller) -> None:
        self._ops = ops

    def _rules(self, method: str) -> Rules:
        return self._ops.rules(f"admin.{method}")

    def _do(self, method: str, call: Call, **arguments: Any) -> Any:
        return self._ops.settle(f"admin.{method}", call, **arguments)
