"""The data catalogs of the account: Glue, under two names, and Tabulator, whose tables the catalog server holds."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

from testbed.athena.failures import QueryFailedError

if TYPE_CHECKING:
    from pathlib import Path

GLUE: Final = "awsdatacatalog"
GLUE_ALIAS: Final = "quilt_test_catalog"
TABULATOR: Final = "quilt-nightproof-tabulator"  # clients derive it from `analyticsBucket` in config.json
SCHEMA_START: Final = f"{TABULATOR}."
INFORMATION: Final = "information_schema"
GLUE_INFORMATION: Final = f"{GLUE}.{INFORMATION}"  # the bare name is DuckDB's own schema
TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Held:
    """The catalog server's current state.

    `is_open` is the open-query setting; `buckets` holds table configurations by bucket and table name.
    """

    is_open: bool = False
    buckets: dict[str, dict[str, str]] = field(default_factory=dict)


def schema_of(catalog: str, database: str, home: str) -> str:
    """Return the schema name that is unique across all catalogs.

    A Glue database keeps its name; a bucket gets Tabulator's prefix. Without a database the schema is `home`. Raise
    QueryFailedError for an unknown catalog.
    """
    if not database:
        return home
    named = catalog.lower() or (TABULATOR if home.startswith(SCHEMA_START) else GLUE)
    if named in {GLUE, GLUE_ALIAS}:
        return GLUE_INFORMATION if database.lower() == INFORMATION else database.lower()
    if named == TABULATOR:
        return f"{SCHEMA_START}{database.lower()}"
    raise QueryFailedError(f"CATALOG_NOT_FOUND: Catalog '{catalog}' does not exist.")


def bucket_of(schema: str) -> str:
    """Return the bucket of a Tabulator schema, or an empty string for a Glue database."""
    return schema.removeprefix(SCHEMA_START) if schema.startswith(SCHEMA_START) else ""


def is_information(schema: str) -> bool:
    """Return whether a schema is the `information_schema` of its catalog."""
    return schema in {GLUE_INFORMATION, f"{SCHEMA_START}{INFORMATION}"}


def held(state: Path) -> Held:
    """Return the catalog server's current state.

    Its address is read from the state directory each time, because the server may restart on another port. Raise
    QueryFailedError if it does not answer.
    """
    try:
        facts = json.loads((state / "testbed.json").read_text(encoding="utf-8"))
        found = _asked(facts["services"]["catalog"]["url"], facts["control_token"])
    except (OSError, ValueError, LookupError, http.client.HTTPException) as error:
        raise QueryFailedError(
            "GENERIC_USER_ERROR: Tabulator's tables cannot be read, because the catalog server does not answer"
            f" ({type(error).__name__})."
        ) from error
    tables = {name: {one["name"]: one["config"] for one in listed} for name, listed in found["buckets"].items()}
    return Held(found["is_open"], tables)


def _asked(url: str, token: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/_nightproof/tabulator", headers={"Authorization": f"Bearer {token}"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return found
