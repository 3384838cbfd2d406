"""External tables that tests create in the target's Glue database: deleted by name, and verified by a listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.names import run_tag

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient

    from nightproof.ledger.journal import Entry

KIND: Final = "glue_table"
PLACE: Final = "glue:"  # cannot be a bucket: no bucket name contains a colon


@dataclass(frozen=True, slots=True)
class GlueDatabase:
    """The only database whose tables may be ours."""

    client: GlueClient
    name: str

    def present(self) -> frozenset[str]:
        """List all tables by the keys that `key_of` returns; a missing database has none."""
        try:
            pages = list(self.client.get_paginator("get_tables").paginate(DatabaseName=self.name))
        except self.client.exceptions.EntityNotFoundException:
            return frozenset()
        return frozenset(f"{self.name}/{table['Name']}" for page in pages for table in page["TableList"])

    def remove(self, entry: Entry) -> bool:
        """Delete one table; return whether it was there."""
        try:
            self.client.delete_table(DatabaseName=self.name, Name=str(entry.locator["name"]))
        except self.client.exceptions.EntityNotFoundException:
            return False
        return True


def key_of(entry: Entry) -> str:
    """Return the key of a table: its database and its name."""
    return f"{entry.locator.get('database', '')}/{entry.locator.get('name', '')}"


def refusal(entry: Entry, run_id: str, database: GlueDatabase | None) -> str:
    """Return why a table must not be touched, or an empty text.

    It must be in our database, and its name must begin with the tag of the run.
    """
    tag, name = run_tag(run_id), str(entry.locator.get("name", ""))
    if database is None or entry.locator.get("database") != database.name:
        return f"`{entry.locator.get('database', '')}` is not this environment's Glue database"
    return (
        "" if name.startswith(f"np_{tag}_") else f"the table `{name}` does not begin with the tag `np_{tag}` of its run"
    )
