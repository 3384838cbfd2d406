"""External tables that tests make in the target's Glue database: deleted by name, and looked for by a listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.names import run_tag

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient

    from nightproof.ledger.journal import Entry

KIND: Final = "glue_table"
PLACE: Final = "glue:"  # beside bucket names, which hold no colon


@dataclass(frozen=True, slots=True)
class GlueDatabase:
    """The one database whose tables may be ours."""

    client: GlueClient
    name: str

    def present(self) -> frozenset[str]:
        """List all tables by the keys that `key_of` gives; a database that is not there has none."""
        try:
            pages = list(self.client.get_paginator("get_tables").paginate(DatabaseName=self.name))
        except self.client.exceptions.EntityNotFoundException:
            return frozenset()
        return frozenset(f"{self.name}/{table['Name']}" for page in pages for table in page["TableList"])

    def remove(self, entry: Entry) -> bool:
        """Delete one table; say whether it was there."""
        try:
            self.client.delete_table(DatabaseName=self.name, Name=str(entry.locator["name"]))
        except self.client.exceptions.EntityNotFoundException:
            return False
        return True


def key_of(entry: Entry) -> str:
    """Name a table with its database."""
    return f"{entry.locator.get('database', '')}/{entry.locator.get('name', '')}"


def refusal(entry: Entry, run_id: str, database: GlueDatabase | None) -> str:
    """Say why a table must not be touched, or nothing: it is in our database, and its name begins as the run's do."""
    tag, name = run_tag(run_id), str(entry.locator.get("name", ""))
    if database is None or entry.locator.get("database") != database.name:
        return f"`{entry.locator.get('database', '')}` is not this environment's Glue database"
    return (
        "" if name.startswith(f"np_{tag}_") else f"the table `{name}` does not begin with the tag `np_{tag}` of its run"
    )
