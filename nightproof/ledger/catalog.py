"""Users and Tabulator tables that tests create in the catalog: an admin deletes them, and our own query verifies it.

The cleanup uses the operations that the suites test. The audit trusts none of them and queries the registry's GraphQL
interface itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from pydantic import BaseModel
from pydantic import Field
from pydantic import TypeAdapter
from pydantic import ValidationError

from nightproof.errors import NightproofError
from nightproof.names import run_tag
from nightproof.quilt.exceptions import BackendError
from nightproof.quilt.exceptions import NotFoundError
from nightproof.quilt.exceptions import QuiltOpsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable

    from nightproof.ledger.journal import Entry
    from nightproof.quilt import QuiltOps

KINDS: Final = frozenset({"user", "table"})
PLACE: Final = "catalog:"  # cannot be a bucket: no bucket name contains a colon
NO_ADMIN: Final = "there is no admin's token to delete it with: set NIGHTPROOF_ADMIN_REFRESH_TOKEN"
DOWN: Final = frozenset({"unreachable", "timeout"})
EVERYTHING: Final = "{ admin { user { list { name } } } bucketConfigs { name tabulatorTables { name } } }"


class _Named(BaseModel):
    name: str


class _Bucket(_Named):
    tables: list[_Named] = Field(alias="tabulatorTables")


class _Users(BaseModel):
    list: list[_Named]


class _Admin(BaseModel):
    user: _Users


class _Everything(BaseModel):
    admin: _Admin
    buckets: list[_Bucket] = Field(alias="bucketConfigs")


class CatalogAdmin:
    """The catalog with an admin's rights; signs in on first use."""

    def __init__(self, sign_in: Callable[[], QuiltOps]) -> None:
        self._sign_in = sign_in
        self._ops: QuiltOps | None = None

    @property
    def ops(self) -> QuiltOps:
        """The operations of an admin."""
        if self._ops is None:
            self._ops = self._sign_in()
        return self._ops

    def present(self) -> frozenset[str]:
        """List all users and tables by the keys of `key_of`; raise NightproofError if the answer is incomplete."""
        answer = self.ops.execute_graphql_query(EVERYTHING)
        if answer.get("errors"):
            raise NightproofError(f"The catalog does not list its users and tables: {answer['errors'][0]['message']}")
        try:
            found = TypeAdapter(_Everything).validate_python(answer["data"])
        except ValidationError as error:
            raise NightproofError("The catalog's list of users and tables has another shape.") from error
        tables = {f"table/{bucket.name}/{table.name}" for bucket in found.buckets for table in bucket.tables}
        return frozenset(tables | {f"user/{user.name}" for user in found.admin.user.list})

    def remove(self, entry: Entry) -> bool:
        """Delete one resource and look again; return whether it was there.

        Raise NightproofError if it is still listed.
        """
        bucket, name = str(entry.locator.get("bucket", "")), str(entry.locator["name"])
        try:
            if entry.kind == "user":
                self.ops.admin.delete_user(name)
                left = [user.name for user in self.ops.admin.list_users()]
            else:
                self.ops.delete_tabulator_table(bucket, name)
                left = [table["name"] for table in self.ops.list_tabulator_tables(bucket)]
        except NotFoundError:
            return False
        if name in left:
            raise NightproofError(f"The {entry.kind} `{name}` is still listed after its deletion: look at the catalog.")
        return True


def key_of(entry: Entry) -> str:
    """Return the key of a user or table among all of the catalog's."""
    locator: dict[str, Any] = entry.locator
    parts = [entry.kind, *([locator.get("bucket")] if entry.kind == "table" else []), locator.get("name")]
    return "/".join(str(part or "") for part in parts)


def refusal(entry: Entry, run_id: str) -> str:
    """Return why a user or table must not be touched, or an empty text: its name must begin with the run's tag."""
    tag, name = run_tag(run_id), str(entry.locator.get("name", ""))
    is_ours = name.startswith((f"np-{tag}-", f"np_{tag}_"))
    return "" if is_ours else f"the {entry.kind} `{name}` does not begin with the tag `np-{tag}` of its run"


def purge(entries: Iterable[Entry], admin: CatalogAdmin | None) -> list[tuple[Entry, bool | str]]:
    """Delete users and tables; return for each whether it was there, or why it stays.

    After a catalog is found to be down, no further call is sent.
    """
    found: list[tuple[Entry, bool | str]] = []
    down = NO_ADMIN if admin is None else ""
    for entry in entries:
        if admin is None or down:
            found.append((entry, down))
            continue
        try:
            found.append((entry, admin.remove(entry)))
        except (QuiltOpsError, NightproofError) as error:
            found.append((entry, f"could not be deleted: {error}"))
            if isinstance(error, BackendError) and error.context["kind"] in DOWN:
                down = f"could not be deleted: {error}"
    return found
