"""A Tabulator table: its parsed configuration, and the matching entries of the latest package revisions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.athena.catalogs import SCHEMA_START
from testbed.athena.catalogs import bucket_of
from testbed.athena.failures import QueryFailedError
from testbed.athena.tables import duckdb_type
from testbed.catalog.errors import InputError
from testbed.catalog.manifest import DamagedError
from testbed.catalog.manifest import parse
from testbed.catalog.manifest import split_physical_key
from testbed.catalog.table_config import check_config
from testbed.catalog.table_config import pattern
from testbed.parsing import yaml_of

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from testbed.athena.account import Account
    from testbed.athena.engine import Guard

POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
ADDED: Final = ("$pkg_name", "$logical_key", "$physical_key", "$top_hash")
ISSUE: Final = "$issue"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the schema; `hive` is its type in Hive's spelling."""

    name: str
    hive: str
    is_nullable: bool

    @property
    def kind(self) -> str:
        """Return the DuckDB type."""
        return duckdb_type(self.hive)


@dataclass(frozen=True, slots=True)
class Definition:
    """A parsed table configuration."""

    columns: tuple[Column, ...]
    package_name: re.Pattern[str]
    logical_key: re.Pattern[str]
    delimiter: str  # of CSV; empty for Parquet
    has_header: bool
    continues: bool

    @property
    def groups(self) -> list[str]:
        """Return the columns that come from named groups of the two patterns."""
        return list({**self.package_name.groupindex, **self.logical_key.groupindex})

    @property
    def described(self) -> list[dict[str, str]]:
        """Return all columns as Glue describes them."""
        own = [{"Name": column.name, "Type": column.hive} for column in self.columns]
        return own + [{"Name": name, "Type": "string"} for name in (*self.groups, *ADDED, ISSUE)]


@dataclass(frozen=True, slots=True)
class File:
    """One package entry: its object's location and size, and the values that all its rows share."""

    bucket: str
    key: str
    version: str | None
    size: int
    values: dict[str, str | None]


def definition_of(text: str) -> Definition:
    """Parse a configuration; an invalid one, which the catalog should have refused, raises QueryFailedError."""
    try:
        check_config(text)
    except InputError as error:
        raise QueryFailedError(f"GENERIC_USER_ERROR: {error}") from error
    config = yaml_of(text)
    parser, source = config["parser"], config["source"]
    return Definition(
        tuple(Column(one["name"], one["type"].lower(), one.get("nullable") is not False) for one in config["schema"]),
        pattern(source["package_name"]),
        pattern(source["logical_key"]),
        parser.get("delimiter", ",") if parser["format"] == "csv" else "",
        bool(parser.get("header")),
        bool(config.get("continue_on_error")),
    )


def table_of(account: Account, schema: str, name: str) -> Definition:
    """Return the definition of a table; `name` is in lower case.

    Raise QueryFailedError if it does not exist, or if several names differ only in case.
    """
    bucket = bucket_of(schema)
    found = [config for known, config in tables_in(account, bucket).items() if known.lower() == name]
    if len(found) > 1:
        raise QueryFailedError(f"AMBIGUOUS_NAME: Bucket {bucket} has several tables '{name}', for names have no case.")
    if not found:
        raise QueryFailedError(f"TABLE_NOT_FOUND: Table '{SCHEMA_START}{bucket}.{name}' does not exist")
    return definition_of(found[0])


def tables_in(account: Account, bucket: str) -> dict[str, str]:
    """Return the configurations of a bucket's tables by name.

    Only credentials that the catalog issued are served, unless open query is enabled. Raise QueryFailedError otherwise.
    """
    held = account.held()
    if account.bend("is refused", not (held.is_open or account.keys.is_lent)):
        raise QueryFailedError(
            "PERMISSION_DENIED: open query is disabled: Tabulator serves only keys that the catalog issued."
            " Ask an admin to enable open query, or use the catalog's keys."
        )
    if bucket not in held.buckets:
        raise QueryFailedError(f"SCHEMA_NOT_FOUND: Schema '{SCHEMA_START}{bucket}' does not exist")
    return held.buckets[bucket]


def files_of(account: Account, guard: Guard, bucket: str, table: Definition) -> Iterator[File]:
    """Yield the matching entries of the latest revisions, by package, with the caller's rights."""
    for package, tags in sorted(_packages(account, bucket).items()):
        matched = table.package_name.search(package)
        if not matched or "latest" not in tags:
            continue
        guard.check()
        if top_hash := _latest(account, bucket, package, tags):
            yield from _entries(account, bucket, table, matched, top_hash)


def _packages(account: Account, bucket: str) -> dict[str, list[str]]:
    """Return the pointers of every package: `latest` and timestamps."""
    found: dict[str, list[str]] = defaultdict(list)
    start = f"s3://{bucket}/{POINTERS}"
    for pointer in account.objects(start):
        package, _, tag = pointer.path.removeprefix(start).rpartition("/")
        found[package].append(tag)
    return found


def _latest(account: Account, bucket: str, package: str, tags: list[str]) -> str:
    """Return the hash of the latest revision, or an empty string if the package was deleted meanwhile."""

    def pointed(tag: str) -> str:
        return (account.read(bucket, f"{POINTERS}{package}/{tag}") or b"").decode().strip()

    stamped = sorted((tag for tag in tags if tag.isdecimal()), key=int)
    return str(account.bend("latest", pointed("latest"), revisions=lambda: [pointed(tag) for tag in stamped]))


def _entries(account: Account, bucket: str, table: Definition, package: re.Match[str], top_hash: str) -> Iterator[File]:
    body = account.read(bucket, f"{MANIFESTS}{top_hash}")
    if body is None:
        raise QueryFailedError(f"GENERIC_USER_ERROR: The revision {top_hash} of {package.string} has no manifest.")
    try:
        entries = parse(body).entries
    except DamagedError as error:
        raise QueryFailedError(f"GENERIC_USER_ERROR: {package.string}: {error}") from error
    for key, entry in entries.items():
        if matched := table.logical_key.search(key):
            place = entry["physical_keys"][0]
            added = dict(zip(ADDED, (package.string, key, place, top_hash), strict=True))
            yield _file(place, int(entry["size"]), package.groupdict() | matched.groupdict() | added)


def _file(place: str, size: int, values: dict[str, Any]) -> File:
    try:
        bucket, key, version = split_physical_key(place)
    except ValueError as error:
        raise QueryFailedError(
            f"GENERIC_USER_ERROR: An entry of {values['$pkg_name']} lies elsewhere: {error}"
        ) from error
    return File(bucket, key, version, size, values)
