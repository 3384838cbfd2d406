"""Operations that fail by a switch: every field whose answer may be an OperationError can be made to give one."""

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
    """The middleware of one request; fields are named `setEmail` or `MutateUserAdminMutations.setEmail`."""

    def __init__(self, faults: Faults, user: str, operation: str) -> None:
        self._faults = faults
        self._user = user
        self._operation = operation

    @property
    def are_on(self) -> bool:
        """Return whether any field of any request is to fail."""
        return self._faults.is_on(KNOB)

    def resolve(self, resolve: Callable[..., Any], source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        """Resolve a field, or give the error that a switch names for it, and do nothing."""
        kind = get_named_type(info.return_type)
        if isinstance(kind, GraphQLUnionType) and any(arm.name == "OperationError" for arm in kind.types):
            names = {"*", info.field_name, f"{info.parent_type.name}.{info.field_name}", self._operation}
            meant = (one for one in self._faults.all_of(KNOB, self._user) if one.get("operation", "*") in names)
            if found := next(filter(self._faults.spend, meant), None):
                return failed(str(found.get("code", CODE)), MESSAGE)
        return resolve(source, info, **arguments)
