"""Record every QuiltOps result at the interface, so that observations do not depend on the test.

Only the outermost call is recorded, not the operations that it calls itself.
"""

from __future__ import annotations

import functools
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.evidence.observations import record

if TYPE_CHECKING:
    from collections.abc import Callable

# The operations whose results cannot be compared between backends, each with the reason.
NOT_COMPARED: Final = {
    "admin": "an interface, whose own operations are recorded",
    "execute_graphql_query": "both backends send the caller's own document, and the answer carries times and ids",
    "get_boto3_client": "a client object",
    "get_graphql_auth_headers": "a credential",
}

_is_inside: ContextVar[bool] = ContextVar("nightproof_quilt_call", default=False)


def install(module: Any) -> None:
    """Wrap the operations of the class that the module defines: a backend's, or those of admins."""
    if hasattr(module, "Admin"):
        from nightproof.quilt.admin_contract import AdminOps  # noqa: PLC0415 - only where the library is imported

        _wrap(module.Admin, AdminOps, "admin.")
        return
    from nightproof.quilt.contract import QuiltOps  # noqa: PLC0415 - as above

    for name in ("Quilt3Ops", "PlatformOps"):
        if hasattr(module, name):
            _wrap(getattr(module, name), QuiltOps, "")


def _wrap(owner: type, contract: Any, prefix: str) -> None:
    for name in sorted(contract.__abstractmethods__ - NOT_COMPARED.keys()):
        signature = inspect.signature(getattr(contract, name))
        setattr(owner, name, _observed(getattr(owner, name), f"{prefix}{name}", signature))


def _observed(original: Callable[..., Any], operation: str, signature: inspect.Signature) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_inside.get():
            return original(self, *args, **kwargs)
        token = _is_inside.set(True)
        try:
            answer = original(self, *args, **kwargs)
        except Exception as error:
            record(operation, _given(signature, self, args, kwargs), None, error)
            raise
        finally:
            _is_inside.reset(token)
        record(operation, _given(signature, self, args, kwargs), answer)
        return answer

    return call


def _given(signature: inspect.Signature, owner: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    try:
        bound = signature.bind(owner, *args, **kwargs)
    except TypeError:
        return {"args": args, "kwargs": kwargs}  # a call that does not match the contract; its own error tells
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if name != "self"}
