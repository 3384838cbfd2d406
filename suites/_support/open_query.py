"""The switch of open query, read and set by the observer: one for the whole catalog, held by one test at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import requests

from nightproof.evidence import channel

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps

TIMEOUT_S: Final = 30
READ: Final = "{ admin { tabulatorOpenQuery } }"
WRITE: Final = (
    "mutation Set($enabled: Boolean!) { admin { setTabulatorOpenQuery(enabled: $enabled) { tabulatorOpenQuery } } }"
)


class OpenQuery:
    """Reads and sets open query with its own GraphQL requests and an admin's token."""

    def __init__(self, admin: QuiltOps) -> None:
        self._url = admin.get_graphql_endpoint()
        self._headers = admin.get_graphql_auth_headers()

    def read(self) -> bool:
        """Return whether open query is on."""
        enabled: bool = self._ask(READ)["admin"]["tabulatorOpenQuery"]
        return enabled

    def write(self, enabled: bool) -> None:  # noqa: FBT001 - the value of the switch
        """Switch open query on or off."""
        self._ask(WRITE, enabled=enabled)

    def _ask(self, document: str, **variables: Any) -> dict[str, Any]:
        with channel("observer"):
            body = {"query": document, "variables": variables}
            answer = requests.post(self._url, json=body, headers=self._headers, timeout=TIMEOUT_S)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()["data"]
        return found
