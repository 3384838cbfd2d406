"""A caller of the real catalog as a seeded user: GraphQL, REST and the control surface."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote

import httpx
import jwt

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from nightproof.target import Target

WORK: Final = "quilt-mcp-test-work"
SCRATCH: Final = "quilt-mcp-test-scratch"
PRIVATE: Final = "quilt-mcp-test-private"
DATA: Final = "quilt-mcp-test-data"
PACKAGES: Final = "quilt-mcp-test-packages"
ARMS: Final = "__typename ... on InvalidInput { errors { path name message } } ... on OperationError { name message }"
CONSTRUCT: Final = (
    "mutation Construct($params: PackagePushParams!, $src: PackageConstructSource!) {"
    " packageConstruct(params: $params, src: $src) { " + ARMS + " ... on PackagePushSuccess {"
    " package { name bucket } revision { hash message userMeta totalEntries totalBytes workflow { id config } } } } }"
)
PROMOTE: Final = (
    "mutation Promote($params: PackagePushParams!, $src: PackagePromoteSource!, $prefix: String) {"
    " packagePromote(params: $params, src: $src, destPrefix: $prefix) { " + ARMS + " ... on PackagePushSuccess {"
    " revision { hash contentsFlatMap } } } }"
)


@dataclass(slots=True)
class Calling:
    """A caller of one running testbed that keeps one access token per user."""

    target: Target
    tokens: dict[str, str] = field(default_factory=dict)
    made: dict[str, S3Client] = field(default_factory=dict)
    http: httpx.Client = field(default_factory=httpx.Client)  # shared: each new one reads all certificates

    @property
    def s3(self) -> S3Client:
        """Return an S3 client with the seeder's keys. It is shared, because creating one takes a tenth of a second."""
        if "s3" not in self.made:
            self.made["s3"] = self.target.seeder_s3()
        return self.made["s3"]

    @property
    def registry(self) -> str:
        """Return the URL of the registry API."""
        return f"{self.target.catalog_url}/registry"

    def sign_in(self, refresh_token: str) -> httpx.Response:
        """Exchange a refresh token and return the response."""
        return self.http.post(f"{self.registry}/api/token", data={"refresh_token": refresh_token}, timeout=30)

    def issued(self, user: str) -> str:
        """Return a new refresh token, issued by the catalog, that nobody else uses."""
        return str(self.control("POST", f"refresh-token?user={user}").json()["refresh_token"])

    def token(self, user: str) -> str:
        """Return an access token of a seeded user."""
        if user not in self.tokens:
            self.tokens[user] = self.target.access_token(user)
        return self.tokens[user]

    def forged(self, *, secret: str = "", algorithm: str = "HS256", **claims: Any) -> str:
        """Return a token like test-user's, with other claims, secret or algorithm."""
        own = jwt.decode(self.token("test-user"), options={"verify_signature": False})
        return jwt.encode(own | claims, secret or self.target.jwt_secret, algorithm)

    def bearer(self, user: str) -> dict[str, str]:
        """Return the Authorization header of a seeded user, or no header for an empty name."""
        return {"Authorization": f"Bearer {self.token(user)}"} if user else {}

    def post(
        self, query: str, variables: dict[str, Any] | None = None, user: str = "test-user", **headers: str
    ) -> httpx.Response:
        """Send a GraphQL document and return the response. Keyword arguments are headers, with `_` for `-`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"query": query, "variables": variables or {}}
        return self.http.post(f"{self.registry}/graphql", json=body, headers=self.bearer(user) | given, timeout=60)

    def raw(self, content: bytes, user: str = "test-user") -> httpx.Response:
        """Send a body unchanged to GraphQL and return the response."""
        headers = self.bearer(user) | {"Content-Type": "application/json"}
        return self.http.post(f"{self.registry}/graphql", content=content, headers=headers, timeout=60)

    def data(self, query: str, variables: dict[str, Any] | None = None, user: str = "test-user", **headers: str) -> Any:
        """Send a GraphQL document that must succeed and return its data."""
        answer = self.post(query, variables, user, **headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]

    def get(self, path: str, user: str = "test-user", **query: str) -> httpx.Response:
        """GET a path below the catalog's URL."""
        url = f"{self.target.catalog_url}{path}"
        return self.http.get(url, headers=self.bearer(user), params=query, timeout=60)

    def control(self, method: str, path: str, parameters: Any = None) -> httpx.Response:
        """Send a request to the catalog's control surface."""
        headers = {"Authorization": f"Bearer {self.target.facts['control_token']}"}
        url = f"{self.target.catalog_url}/_nightproof/{path}"
        return self.http.request(method, url, headers=headers, json=parameters, timeout=30)

    def put_object(self, key: str, body: bytes, bucket: str = SCRATCH) -> str:
        """Store an object and return its URI."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{quote(key)}"

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement on the catalog's SQLite database and return the rows."""
        path = self.target.state_dir / "testbed" / "catalog.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def await_search(self, text: str, is_right: Callable[[list[str]], bool]) -> None:
        """Search the work bucket until `is_right` accepts the sorted names.

        The index is updated every two or three seconds.
        """

        def found() -> list[str]:
            index = {"index": f"{WORK}_packages", "query": text}
            hits = self.get("/registry/api/search", **index).json()["hits"]["hits"]
            return sorted(hit["_source"]["ptr_name"] for hit in hits)

        ends = time.monotonic() + 60
        while not is_right(names := found()):
            assert time.monotonic() < ends, f"the search for {text} still finds {names}"
            time.sleep(0.1)

    def construct(
        self, name: str, entries: dict[str, str], user: str = "test-user", bucket: str = WORK, **more: Any
    ) -> Any:
        """Construct a package from logical keys and URIs and return the union member.

        `headers` are headers, the rest is params.
        """
        headers = more.pop("headers", {})
        params = {"bucket": bucket, "name": name} | more
        listed = [{"logicalKey": key, "physicalKey": uri} for key, uri in entries.items()]
        variables = {"params": params, "src": {"entries": listed}}
        return self.data(CONSTRUCT, variables, user, **headers)["packageConstruct"]

    def package(self, name: str, contents: dict[str, bytes], **more: Any) -> str:
        """Store contents in the scratch bucket, construct a package of them and return its hash."""
        entries = {key: self.put_object(f"{name}/{key}", body) for key, body in contents.items()}
        arm = self.construct(name, entries, **more)
        assert arm["__typename"] == "PackagePushSuccess", arm
        return str(arm["revision"]["hash"])


def token_of(catalog: Calling, name: str) -> str:
    """Return the Authorization header with a token of a user, signed as the catalog signs."""
    own = jwt.decode(catalog.token("test-user"), options={"verify_signature": False})
    uuid = catalog.sql("SELECT uuid FROM users WHERE name = ?", name)[0][0]
    signed = jwt.encode(own | {"id": name, "uuid": uuid}, catalog.target.jwt_secret, "HS256")
    return f"Bearer {signed}"
