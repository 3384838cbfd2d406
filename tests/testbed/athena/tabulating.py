"""Packages and Tabulator tables for tests of Athena, written into registry and catalog with no client between."""

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
    """Makes packages under a name of the test's own, and tables over them; `asking` has keys that the catalog lent."""

    def __init__(self, catalog: Calling, asking: Querying) -> None:
        self.catalog = catalog
        self.asking = asking
        self.own = f"tb-{uuid.uuid4().hex[:10]}"
        self.tables: set[str] = set()
        self._second = 1_700_000_000

    @staticmethod
    def lent_to(catalog: Calling, user: str) -> Querying:
        """Ask with the keys that the catalog lends to a user."""
        lent = catalog.get("/registry/api/auth/get_credentials", user).json()
        named = {
            "access_key_id": "AccessKeyId",
            "secret_access_key": "SecretAccessKey",
            "session_token": "SessionToken",
        }
        return Querying(catalog.target, {name: lent[member] for name, member in named.items()})

    def entry(self, key: str, body: bytes) -> dict[str, Any]:
        """Store an object and give the line of a manifest that names this version of it."""
        where = f"{self.own}/{key}"
        put = self.catalog.s3.put_object(Bucket=WORK, Key=where, Body=body)
        physical = f"s3://{WORK}/{where}?versionId={put['VersionId']}"
        return {"logical_key": key, "physical_keys": [physical], "size": len(body), "hash": None, "meta": {}}

    def push(self, package: str, files: dict[str, bytes], *more: dict[str, Any]) -> str:
        """Write a revision of `own-<package>/data` in push order; give its hash."""
        lines = [{"version": "v0"}, *(self.entry(key, body) for key, body in files.items()), *more]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        top_hash, self._second = hashlib.sha256(body).hexdigest(), self._second + 1
        self._put(f".quilt/packages/{top_hash}", body)
        for tag in (str(self._second), "latest"):
            self._put(f".quilt/named_packages/{self.name(package)}/{tag}", top_hash.encode())
        return top_hash

    def delete(self, package: str) -> None:
        """Take a package's latest pointer away."""
        key = f".quilt/named_packages/{self.name(package)}/latest"
        self.catalog.s3.delete_object(Bucket=WORK, Key=key)

    def remove(self) -> None:
        """Take tables and pointers away, and put the switch back."""
        self.open(enabled=False)
        for name in self.tables:
            self.put(name, None)
        s3, prefix = self.catalog.s3, f".quilt/named_packages/{self.own}-"
        for item in s3.list_objects_v2(Bucket=WORK, Prefix=prefix).get("Contents", []):
            s3.delete_object(Bucket=WORK, Key=item["Key"])

    def name(self, package: str) -> str:
        """Give a package's name."""
        return f"{self.own}-{package}/data"

    def table(
        self,
        schema: str,
        key: str = "csv$",
        parser: str = "{format: csv, header: true}",
        more: str = "",
        name: str = "",
    ) -> str:
        """Make a table over all packages of this test; give its full name for SQL."""
        name = name or f"t_{uuid.uuid4().hex[:8]}"
        columns = "".join(f"\n- {{name: {n}, type: {k}}}" for n, k in (one.split(" ", 1) for one in schema.split(", ")))
        source = f"  package_name: ^{self.own}-(?<kind>\\w+)/\n  logical_key: '{key}'\n"
        self.put(name, f"schema:{columns}\nsource:\n  type: quilt-packages\n{source}parser: {parser}\n{more}")
        return self.place(name)

    def put(self, name: str, config: str | None) -> None:
        """Set or remove a table."""
        self.tables.add(name)
        found = self.catalog.data(SET, {"b": WORK, "t": name, "c": config}, "test-admin")["bucketSetTabulatorTable"]
        assert found["__typename"] == "BucketConfig", found

    def open(self, *, enabled: bool) -> None:
        """Set open query."""
        self.catalog.data(OPEN, {"e": enabled}, "test-admin")

    def place(self, name: str, bucket: str = WORK) -> str:
        """Give a table's full name for SQL."""
        return f'"{CATALOG}"."{bucket}"."{name}"'

    def _put(self, key: str, body: bytes) -> None:
        self.catalog.s3.put_object(Bucket=WORK, Key=key, Body=body)
