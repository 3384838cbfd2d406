"""The fault `operation-error`: any field whose result type has an OperationError can be made to return one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from graphql import GraphQLUnionType
from graphql import get_named_type

from testbed.catalog.arms import failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLResolveInfo

    from testbed.faults.control import Faults

KNOB: Final = "operation-error"
CODE: Final = "Injected"
MESSAGE: Final = "Injected by the control surface."


class Refusals:
    """The middleware of one request; a fault names a field as `setEmail` or `MutateUserAdminMutations.setEmail`."""

    def __init__(self, faults: Faults, user: str, operation: str) -> None:
        self._faults = faults
        self._user = user
        self._operation = operation

    @property
    def are_on(self) -> bool:
        """Return whether the fault is set for any field of any request."""
        return self._faults.is_on(KNOB)

    def resolve(self, resolve: Callable[..., Any], source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        """Resolve a field, or return the error of a fault that names it without resolving."""
        kind = get_named_type(info.return_type)
        if isinstance(kind, GraphQLUnionType) and any(arm.name == "OperationError" for arm in kind.types):
            names = {"*", info.field_name, f"{info.parent_type.name}.{info.field_name}", self._operation}
            meant = (one for one in self._faults.all_of(KNOB, self._user) if one.get("operation", "*") in names)
            if found := next(filter(self._faults.spend, meant), None):
                return failed(str(found.get("code", CODE)), MESSAGE)
        return resolve(source, info, **arguments)
