"""Packages and Tabulator tables for the Athena tests, written to registry and catalog directly, without quilt3."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING
from typing import Any

from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import Querying

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

CATALOG = "quilt-nightproof-tabulator"
SET = (
    "mutation S($b: String!, $t: String!, $c: String) {"
    " bucketSetTabulatorTable(bucketName: $b, tableName: $t, config: $c) {"
    " __typename ... on InvalidInput { errors { message } } } }"
)
OPEN = "mutation O($e: Boolean!) { admin { setTabulatorOpenQuery(enabled: $e) { tabulatorOpenQuery } } }"


class Tabulating:
    """Creates packages under a prefix unique to the test, and tables over them.

    `asking` has credentials vended by the catalog.
    """

    def __init__(self, catalog: Calling, asking: Querying) -> None:
        self.catalog = catalog
        self.asking = asking
        self.own = f"tb-{uuid.uuid4().hex[:10]}"
        self.tables: set[str] = set()
        self._second = 1_700_000_000

    @staticmethod
    def lent_to(catalog: Calling, user: str) -> Querying:
        """Return a caller with the credentials that the catalog vends to a user."""
        lent = catalog.get("/registry/api/auth/get_credentials", user).json()
        named = {
            "access_key_id": "AccessKeyId",
            "secret_access_key": "SecretAccessKey",
            "session_token": "SessionToken",
        }
        return Querying(catalog.target, {name: lent[member] for name, member in named.items()})

    def entry(self, key: str, body: bytes) -> dict[str, Any]:
        """Store an object and return the manifest line that refers to this version of it."""
        where = f"{self.own}/{key}"
        put = self.catalog.s3.put_object(Bucket=WORK, Key=where, Body=body)
        physical = f"s3://{WORK}/{where}?versionId={put['VersionId']}"
        return {"logical_key": key, "physical_keys": [physical], "size": len(body), "hash": None, "meta": {}}

    def push(self, package: str, files: dict[str, bytes], *more: dict[str, Any]) -> str:
        """Write a revision of package `<own>-<package>/data` as the next in time and return its hash."""
        lines = [{"version": "v0"}, *(self.entry(key, body) for key, body in files.items()), *more]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        top_hash, self._second = hashlib.sha256(body).hexdigest(), self._second + 1
        self._put(f".quilt/packages/{top_hash}", body)
        for tag in (str(self._second), "latest"):
            self._put(f".quilt/named_packages/{self.name(package)}/{tag}", top_hash.encode())
        return top_hash

    def delete(self, package: str) -> None:
        """Delete a package's `latest` pointer."""
        key = f".quilt/named_packages/{self.name(package)}/latest"
        self.catalog.s3.delete_object(Bucket=WORK, Key=key)

    def remove(self) -> None:
        """Remove all tables and pointers of this test, and switch open query off."""
        self.open(enabled=False)
        for name in self.tables:
            self.put(name, None)
        s3, prefix = self.catalog.s3, f".quilt/named_packages/{self.own}-"
        for item in s3.list_objects_v2(Bucket=WORK, Prefix=prefix).get("Contents", []):
            s3.delete_object(Bucket=WORK, Key=item["Key"])

    def name(self, package: str) -> str:
        """Return a package's full name."""
        return f"{self.own}-{package}/data"

    def table(
        self,
        schema: str,
        key: str = "csv$",
        parser: str = "{format: csv, header: true}",
        more: str = "",
        name: str = "",
    ) -> str:
        """Create a table over all packages of this test and return its full SQL name."""
        name = name or f"t_{uuid.uuid4().hex[:8]}"
        columns = "".join(f"\n- {{name: {n}, type: {k}}}" for n, k in (one.split(" ", 1) for one in schema.split(", ")))
        source = f"  package_name: ^{self.own}-(?<kind>\\w+)/\n  logical_key: '{key}'\n"
        self.put(name, f"schema:{columns}\nsource:\n  type: quilt-packages\n{source}parser: {parser}\n{more}")
        return self.place(name)

    def put(self, name: str, config: str | None) -> None:
        """Set the configuration of a table, or remove the table if `config` is None."""
        self.tables.add(name)
        found = self.catalog.data(SET, {"b": WORK, "t": name, "c": config}, "test-admin")["bucketSetTabulatorTable"]
        assert found["__typename"] == "BucketConfig", found

    def open(self, *, enabled: bool) -> None:
        """Switch open query on or off."""
        self.catalog.data(OPEN, {"e": enabled}, "test-admin")

    def place(self, name: str, bucket: str = WORK) -> str:
        """Return a table's full SQL name."""
        return f'"{CATALOG}"."{bucket}"."{name}"'

    def _put(self, key: str, body: bytes) -> None:
        self.catalog.s3.put_object(Bucket=WORK, Key=key, Body=body)
