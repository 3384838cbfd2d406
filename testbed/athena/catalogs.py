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
TABULATOR: Final = "quilt-nightproof-tabulator"  # what clients make of the `analyticsBucket` in config.json
SCHEMA_START: Final = f"{TABULATOR}."
INFORMATION: Final = "information_schema"
GLUE_INFORMATION: Final = f"{GLUE}.{INFORMATION}"  # DuckDB has one of its own under the bare name
TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Held:
    """What the catalog server holds at this moment: whether open query is on, and configurations by bucket, table."""

    is_open: bool = False
    buckets: dict[str, dict[str, str]] = field(default_factory=dict)


def schema_of(catalog: str, database: str, home: str) -> str:
    """Name a schema across the catalogs: a Glue database by its name, a bucket behind Tabulator's."""
    if not database:
        return home
    named = catalog.lower() or (TABULATOR if home.startswith(SCHEMA_START) else GLUE)
    if named in {GLUE, GLUE_ALIAS}:
        return GLUE_INFORMATION if database.lower() == INFORMATION else database.lower()
    if named == TABULATOR:
        return f"{SCHEMA_START}{database.lower()}"
    raise QueryFailedError(f"CATALOG_NOT_FOUND: Catalog '{catalog}' does not exist.")


def bucket_of(schema: str) -> str:
    """Give the bucket that a schema of Tabulator stands for; nothing for a Glue database."""
    return schema.removeprefix(SCHEMA_START) if schema.startswith(SCHEMA_START) else ""


def is_information(schema: str) -> bool:
    """Return whether a schema is the one that describes all others of its catalog."""
    return schema in {GLUE_INFORMATION, f"{SCHEMA_START}{INFORMATION}"}


def held(state: Path) -> Held:
    """Ask the catalog server, whose address the testbed keeps in its state directory, so that it may move."""
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
