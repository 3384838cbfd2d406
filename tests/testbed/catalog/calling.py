"""A caller of the real catalog: signs in as a seeded user and speaks GraphQL, REST and the control surface."""

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
    """Requests to one running testbed; access tokens are asked once per user."""

    target: Target
    tokens: dict[str, str] = field(default_factory=dict)
    made: dict[str, S3Client] = field(default_factory=dict)
    http: httpx.Client = field(default_factory=httpx.Client)  # one for all: each new one reads all certificates

    @property
    def s3(self) -> S3Client:
        """Give a client with the keys that seed; one for all, a new one takes a tenth of a second."""
        if "s3" not in self.made:
            self.made["s3"] = self.target.seeder_s3()
        return self.made["s3"]

    @property
    def registry(self) -> str:
        """Where the registry API answers."""
        return f"{self.target.catalog_url}/registry"

    def sign_in(self, refresh_token: str) -> httpx.Response:
        """Exchange a refresh token."""
        return self.http.post(f"{self.registry}/api/token", data={"refresh_token": refresh_token}, timeout=30)

    def issued(self, user: str) -> str:
        """Let the catalog issue a refresh token that nobody else uses."""
        return str(self.control("POST", f"refresh-token?user={user}").json()["refresh_token"])

    def token(self, user: str) -> str:
        """Give an access token of a seeded user."""
        if user not in self.tokens:
            self.tokens[user] = self.target.access_token(user)
        return self.tokens[user]

    def forged(self, *, secret: str = "", algorithm: str = "HS256", **claims: Any) -> str:
        """Sign a token like test-user's with other claims, another key or another algorithm."""
        own = jwt.decode(self.token("test-user"), options={"verify_signature": False})
        return jwt.encode(own | claims, secret or self.target.jwt_secret, algorithm)

    def bearer(self, user: str) -> dict[str, str]:
        """Give the headers of a seeded user; none for an empty name."""
        return {"Authorization": f"Bearer {self.token(user)}"} if user else {}

    def post(
        self, query: str, variables: dict[str, Any] | None = None, user: str = "test-user", **headers: str
    ) -> httpx.Response:
        """Send a GraphQL document; keyword arguments are further headers, `_` for `-`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"query": query, "variables": variables or {}}
        return self.http.post(f"{self.registry}/graphql", json=body, headers=self.bearer(user) | given, timeout=60)

    def raw(self, content: bytes, user: str = "test-user") -> httpx.Response:
        """Send a body as it is to GraphQL."""
        headers = self.bearer(user) | {"Content-Type": "application/json"}
        return self.http.post(f"{self.registry}/graphql", content=content, headers=headers, timeout=60)

    def data(self, query: str, variables: dict[str, Any] | None = None, user: str = "test-user", **headers: str) -> Any:
        """Send a GraphQL document that must succeed, and give its data."""
        answer = self.post(query, variables, user, **headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]

    def get(self, path: str, user: str = "test-user", **query: str) -> httpx.Response:
        """GET a path below the catalog's address."""
        url = f"{self.target.catalog_url}{path}"
        return self.http.get(url, headers=self.bearer(user), params=query, timeout=60)

    def control(self, method: str, path: str, parameters: Any = None) -> httpx.Response:
        """Ask the control surface of the catalog."""
        headers = {"Authorization": f"Bearer {self.target.facts['control_token']}"}
        url = f"{self.target.catalog_url}/_nightproof/{path}"
        return self.http.request(method, url, headers=headers, json=parameters, timeout=30)

    def put_object(self, key: str, body: bytes, bucket: str = SCRATCH) -> str:
        """Store an object and give its URI."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{quote(key)}"

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement on the catalog's database."""
        path = self.target.state_dir / "testbed" / "catalog.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def await_search(self, text: str, is_right: Callable[[list[str]], bool]) -> None:
        """Search the work bucket until the sorted names are as wanted; the index looks every two or three seconds."""

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
        """Construct a package from logical keys and URIs; give the arm. `headers` adds headers, the rest is params."""
        headers = more.pop("headers", {})
        params = {"bucket": bucket, "name": name} | more
        listed = [{"logicalKey": key, "physicalKey": uri} for key, uri in entries.items()]
        variables = {"params": params, "src": {"entries": listed}}
        return self.data(CONSTRUCT, variables, user, **headers)["packageConstruct"]

    def package(self, name: str, contents: dict[str, bytes], **more: Any) -> str:
        """Store contents in scratch, construct a package of them and give its hash."""
        entries = {key: self.put_object(f"{name}/{key}", body) for key, body in contents.items()}
        arm = self.construct(name, entries, **more)
        assert arm["__typename"] == "PackagePushSuccess", arm
        return str(arm["revision"]["hash"])


def token_of(catalog: Calling, name: str) -> str:
    """Sign a token of a user as the catalog would; give it as the header."""
    own = jwt.decode(catalog.token("test-user"), options={"verify_signature": False})
    uuid = catalog.sql("SELECT uuid FROM users WHERE name = ?", name)[0][0]
    signed = jwt.encode(own | {"id": name, "uuid": uuid}, catalog.target.jwt_secret, "HS256")
    return f"Bearer {signed}"
