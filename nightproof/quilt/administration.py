"""Admin operations and Tabulator of both backends: one way to send a call, one place where rejections become errors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

from pydantic.alias_generators import to_snake

from nightproof.quilt import admin_calls as calls
from nightproof.quilt.admin import Admin
from nightproof.quilt.admin_records import New_API_Key
from nightproof.quilt.admin_shapes import key_of
from nightproof.quilt.base import CatalogOps
from nightproof.quilt.platform_answers import InvalidInput
from nightproof.quilt.platform_arms import ABSENT
from nightproof.quilt.platform_arms import raise_arm
from nightproof.quilt.platform_arms import unnamed
from nightproof.quilt.validation import short

if TYPE_CHECKING:
    from nightproof.quilt import exceptions as errors
    from nightproof.quilt.admin_contract import AdminOps
    from nightproof.quilt.platform_answers import OperationError

    Table = dict[str, str]

# Arguments by their names in the contract, where those differ from the wire's.
FIELDS: Final = {"bucket_name": "bucket", "new_table_name": "new_name", "key_name": "name"}
RESOURCES: Final = {
    "name": "user",
    "id": "api_key",
    "bucket_name": "bucket",
    "table_name": "table",
    **dict.fromkeys(("role", "extra_roles", "roles", "fallback"), "role"),
}
DAYS_A_KEY_LIVES: Final = range(1, 366)


class AdministeredOps(CatalogOps):
    """Tabulator, open query and API keys, and the way to the registry for all admin operations."""

    def ask(self, operation: str, call: calls.Call, arguments: dict[str, Any]) -> Any:
        """Send a call; raise AbsentError or RefusedError for what `settle` translates."""
        raise NotImplementedError

    def settle(self, operation: str, call: calls.Call, **arguments: Any) -> Any:
        """Send a call, and raise the contract's error if the registry rejects it."""
        try:
            return self.ask(operation, call, arguments)
        except calls.AbsentError as error:
            raise self._missing(operation, next(iter(arguments)), arguments) from error
        except calls.RefusedError as refused:
            self._refuse(operation, refused.arm, arguments)

    @property
    def admin(self) -> AdminOps:
        """Return the admin operations, performed as the signed-in user."""
        return Admin(self)

    def list_tabulator_tables(self, bucket: str) -> list[Table]:
        """List a bucket's tables."""
        operation = "list_tabulator_tables"
        self.rules(operation).bare_bucket(bucket)
        found = self._tables(operation, bucket)
        return [{"name": name, "config": found[name]} for name in sorted(found)]

    def get_tabulator_table(self, bucket: str, table_name: str) -> Table:
        """Return one table, or raise NotFoundError."""
        operation = "get_tabulator_table"
        return self._table(operation, bucket, self.rules(operation).text(table_name, "table_name"))

    def create_tabulator_table(self, bucket: str, table_name: str, config: str) -> Table:
        """Create a table and return it as stored.

        The check for an existing table is ours: the registry's mutation would replace it.
        """
        operation = "create_tabulator_table"
        rules = self.rules(operation)
        rules.bare_bucket(bucket)
        rules.new_table(table_name)
        rules.configuration(config)
        if table_name in self._tables(operation, bucket):
            rules.refuse("table_name", table_name, "a table must not exist; use update_tabulator_table")
        self.settle(operation, calls.SET_TABLE, bucket_name=bucket, table_name=table_name, config=config)
        return self._table(operation, bucket, table_name)

    def update_tabulator_table(self, bucket: str, table_name: str, config: str) -> Table:
        """Replace a table's configuration and return the table as stored."""
        operation = "update_tabulator_table"
        rules = self.rules(operation)
        rules.text(table_name, "table_name")
        rules.configuration(config)
        self._table(operation, bucket, table_name)
        self.settle(operation, calls.SET_TABLE, bucket_name=bucket, table_name=table_name, config=config)
        return self._table(operation, bucket, table_name)

    def rename_tabulator_table(self, bucket: str, old_name: str, new_name: str) -> Table:
        """Rename a table; the server itself checks, in one step, that the new name is free."""
        operation = "rename_tabulator_table"
        rules = self.rules(operation)
        rules.text(old_name, "old_name")
        rules.new_table(new_name, "new_name")
        self._table(operation, bucket, old_name)
        names = {"bucket_name": bucket, "table_name": old_name, "new_table_name": new_name}
        self.settle(operation, calls.RENAME_TABLE, **names)
        return self._table(operation, bucket, new_name)

    def delete_tabulator_table(self, bucket: str, table_name: str) -> None:
        """Delete a table. The check that it exists is ours: the registry would not report a missing one."""
        operation = "delete_tabulator_table"
        self._table(operation, bucket, self.rules(operation).text(table_name, "table_name"))
        self.settle(operation, calls.SET_TABLE, bucket_name=bucket, table_name=table_name, config=None)

    def get_open_query_status(self) -> dict[str, bool]:
        """Return whether tables may be queried with keys that the catalog did not issue."""
        return {"enabled": self.settle("get_open_query_status", calls.GET_OPEN_QUERY)}

    def set_open_query(self, enabled: bool) -> dict[str, bool]:  # noqa: FBT001 - the contract's signature
        """Allow or forbid such queries, and return the status as read back from the server."""
        operation = "set_open_query"
        self.rules(operation).flag(enabled, "enabled")
        self.settle(operation, calls.SET_OPEN_QUERY, enabled=enabled)
        return {"enabled": self.settle(operation, calls.GET_OPEN_QUERY)}

    def create_api_key(self, name: str, expires_in_days: int = 90) -> New_API_Key:
        """Create an API key for the signed-in user."""
        operation = "create_api_key"
        self.rules(operation).text(name, "name")
        if isinstance(expires_in_days, bool) or expires_in_days not in DAYS_A_KEY_LIVES:
            self.rules(operation).refuse("expires_in_days", expires_in_days, "whole days from 1 to 365")
        found = self.settle(operation, calls.CREATE_KEY, name=name, expires_in_days=expires_in_days)
        key, secret = found if isinstance(found, tuple) else (found.api_key, found.secret)
        return New_API_Key(key_of(key), secret)

    def _tables(self, operation: str, bucket: str) -> dict[str, str]:
        """Return the configurations of a bucket's tables by table name."""
        self.rules(operation).bare_bucket(bucket)
        return {table.name: table.config for table in self.settle(operation, calls.LIST_TABLES, bucket_name=bucket)}

    def _table(self, operation: str, bucket: str, name: str) -> Table:
        found = self._tables(operation, bucket)
        if name not in found:
            raise self.not_found(operation, "table", name, f"s3://{bucket}")
        return {"name": name, "config": found[name]}

    def _refuse(self, operation: str, arm: InvalidInput | OperationError, arguments: dict[str, Any]) -> NoReturn:
        """Raise the contract's error for a union's error member."""
        if not isinstance(arm, InvalidInput):
            if arm.name.endswith(ABSENT):
                # The first argument of a call names its subject.
                subject = next(iter(arguments), "")
                is_known = subject in RESOURCES
                raise self._missing(operation, subject, arguments) if is_known else unnamed(self, operation, arm)
            raise_arm(self, operation, arm, arguments)
        error = arm.errors[0]
        key = to_snake((error.path or "").rsplit(".", 1)[-1])
        value = arguments.get(key)
        if error.name.endswith(ABSENT) and key in RESOURCES:
            raise self._missing(operation, key, arguments)
        rule = "must be unique" if error.name == "Conflict" else error.message
        message = f"The value of `config` is refused: {short(rule.rstrip('.'), 200)}." if key == "config" else ""
        self.rules(operation).refuse(FIELDS.get(key, key), value, rule, message=message)

    def _missing(self, operation: str, key: str, arguments: dict[str, Any]) -> errors.NotFoundError:
        """Return the NotFoundError for the resource that an argument names."""
        resource, value = RESOURCES[key], arguments.get(key)
        if isinstance(value, list):
            # The registry does not tell which role of a list is unknown.
            known = {role.name for role in self.settle(operation, calls.LIST_ROLES)}
            value = next((role for role in value if role not in known), value[0])
        bucket = arguments.get("bucket_name")
        return self.not_found(operation, resource, str(value), f"s3://{bucket}" if bucket else "catalog")
