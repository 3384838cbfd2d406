"""quilt3's admin functions, unmodified, with their exceptions translated."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from quilt3._graphql_client.exceptions import GraphQLClientError
from quilt3.admin.exceptions import BucketNotFoundError
from quilt3.admin.exceptions import Quilt3AdminError
from quilt3.admin.exceptions import RoleNotFoundError
from quilt3.admin.exceptions import UserNotFoundError
from quilt3.api_keys import APIKeyError
from quilt3.util import QuiltException

from nightproof.quilt.admin_calls import AbsentError
from nightproof.quilt.admin_calls import Call
from nightproof.quilt.admin_calls import RefusedError
from nightproof.quilt.platform_answers import InvalidInput
from nightproof.quilt.platform_answers import OperationError
from nightproof.quilt.quilt3_session import LIBRARY
from nightproof.quilt.quilt3_session import LOOK
from nightproof.quilt.quilt3_session import User

if TYPE_CHECKING:
    import requests

    from nightproof.quilt.catalog import Catalog

ABSENT: Final = (UserNotFoundError, BucketNotFoundError, RoleNotFoundError)
# The library validates an answer more strictly than we do: one that it cannot read ends in any of these.
DAMAGE: Final = (QuiltException, GraphQLClientError, AttributeError, LookupError, TypeError, ValueError)


def administer(catalog: Catalog, user: User, operation: str, call: Call, arguments: dict[str, Any]) -> Any:
    """Call a function of the library as a user; raise AbsentError or RefusedError for what the contract translates.

    A hook checks each response first. So the library never sees a rejected status or an answer of the wrong shape.
    """
    answered: list[int] = []

    def look(answer: requests.Response) -> None:
        answered.append(answer.status_code)
        body = catalog.body_of(operation, answer, user.token)
        catalog.data_of(operation, body, call.shape(twin=True))

    limit_s = catalog.timeouts.read_s
    with LIBRARY.entered(user) as library, catalog.reaching(operation, f"{catalog.registry_url}/graphql", limit_s):
        told = LOOK.set(look)
        try:
            return attrgetter(call.function)(library)(**arguments)
        except ABSENT as error:
            raise AbsentError(call.function) from error
        except Quilt3AdminError as error:
            raise RefusedError(_arm(error.details)) from error
        except APIKeyError as error:
            raise RefusedError(_arm(error.result)) from error
        except DAMAGE as error:
            # Without any response the library itself rejected the call, and no server is to blame.
            if not answered:
                raise catalog.refused_here(operation, error) from error
            raise catalog.protocol(operation, f"{type(error).__name__}: {error}") from error
        finally:
            LOOK.reset(told)


def _arm(found: Any) -> InvalidInput | OperationError:
    """Return an error member of the library's union as ours."""
    shape = InvalidInput if hasattr(found, "errors") else OperationError
    return shape.model_validate(found.model_dump(by_alias=True) | {"__typename": shape.__name__})
