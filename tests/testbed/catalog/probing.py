"""Queries that show what each catalog defect changes."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

import boto3

from tests.testbed.catalog.calling import PROMOTE
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

NAME = "defects/sample"
ODD = "a%2520b.txt"
OLD_SECOND = "1700000000"
SAMPLE = (
    'query Sample($n: String!, $at: String!, $path: String!) { package(bucket: "quilt-mcp-test-work", name: $n) {'
    " name modified revisions { total page { hash } } revision(hashOrTag: $at) { hash userMeta totalBytes"
    " contentsFlatMap dir(path: $path) { path children { __typename ... on PackageFile { path size }"
    " ... on PackageDir { path } } } file(path: $path) { path } } } }"
)
SIZES = '{ package(bucket: "quilt-mcp-test-work", name: "defects/sample") { revision { dir(path: "") { size } } } }'
LIST = 'query L($f: String!, $n: Int!) { packages(bucket: "quilt-mcp-test-work", filter: $f) {'
LIST += " page(number: $n, perPage: 1) { name } } }"
NAMES = '{ packages(bucket: "quilt-mcp-test-packages") { page(perPage: 100) { name } } }'
SEARCH = (
    "query S($t: String!, $b: [String!]) { searchPackages(buckets: $b, searchString: $t) { __typename"
    " ... on PackagesSearchResultSet { firstPage(size: 10000) {"
    " ... on PackagesSearchResultSetPage { hits { name } } } } } }"
)
OPEN = "mutation O($s: String!) { browsingSessionCreate(scope: $s) { ... on BrowsingSession { id } } }"
DELETE = "mutation D($n: String!, $h: String!) {"
DELETE += (
    ' packageRevisionDelete(bucket: "quilt-mcp-test-work", name: $n, hash: $h) { ... on OperationError { message } } }'
)


@dataclass(slots=True)
class Probing:
    """Queries on a sample package that show what a defect changes. `old` and `new` are the hashes of its revisions."""

    catalog: Calling
    old: str
    new: str
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def asked(self, name: str = NAME, at: str = "latest", path: str = "") -> Any:
        """Return a package with one revision, and one path in it."""
        return self.catalog.data(SAMPLE, {"n": name, "at": at, "path": path})["package"]

    def revision(self, at: str = "latest", path: str = "") -> Any:
        """Return a revision of the sample."""
        return self.asked(at=at, path=path)["revision"]

    def children(self, path: str = "") -> Any:
        """Return the paths of a directory's children, or None if there is no directory."""
        found = self.revision(path=path)["dir"]
        return [child["path"] for child in found["children"]] if found else None

    def file(self, path: str) -> Any:
        """Return the path of a file, or None if there is none."""
        found = self.revision(path=path)["file"]
        return found["path"] if found else None

    def search(self, text: str, user: str = "test-user", buckets: tuple[str, ...] | None = (WORK,)) -> Any:
        """Return the sorted package names that a search finds, or the type of any other union member."""
        found = self.catalog.data(SEARCH, {"t": text, "b": buckets}, user)["searchPackages"]
        if "firstPage" not in found:
            return found["__typename"]
        return sorted(hit["name"].rpartition("/")[2] for hit in found["firstPage"]["hits"] if "defects" in hit["name"])

    def written(self, keys: str = "x d/y", name: str = "", **params: Any) -> Any:
        """Construct a package and return its stored keys and metadata, or the names of the errors."""
        name = name or f"defects-written/n{next(self.numbers)}"
        uri = self.catalog.put_object("defects/source", b"source")
        arm = self.catalog.construct(name, dict.fromkeys(keys.split(), uri), **params)
        if "errors" in arm or "revision" not in arm:
            return [error["name"] for error in arm.get("errors", [arm])]
        found = self.asked(name)
        revision = found and found["revision"]
        return sorted(revision["contentsFlatMap"]), revision["userMeta"] if revision else None

    def versions(self) -> list[str]:
        """Construct from a versioned bucket and return the start of the physical key's query string."""
        self.catalog.s3.put_object(Bucket=WORK, Key="defects/versioned", Body=b"v")
        name = f"defects-written/n{next(self.numbers)}"
        self.catalog.construct(name, {"x": f"s3://{WORK}/defects/versioned"})
        physical = self.asked(name)["revision"]["contentsFlatMap"]["x"]["physicalKey"]
        return [str(physical).partition("?")[2][:10]]

    def missing(self) -> Any:
        """Construct from a source that does not exist and return the error names, or the union member's type."""
        name = f"defects-written/n{next(self.numbers)}"
        arm = self.catalog.construct(name, {"x": f"s3://{WORK}/defects/nothing"})
        return [error["name"] for error in arm["errors"]] if "errors" in arm else arm["__typename"]

    def updated(self) -> Any:
        """Construct a package twice with different keys and return the keys of the second revision."""
        name = f"defects-written/n{next(self.numbers)}"
        self.written("x", name)
        return self.written("y", name)[0]

    def twice(self) -> Any:
        """Create a package exclusively (If-None-Match) where one exists."""
        name = f"defects-written/n{next(self.numbers)}"
        self.written("x", name)
        return self.written("y", name, headers={"if_none_match": "*"})

    def pointers(self) -> Any:
        """Construct a package and return the HTTP status and the number of pointers by kind."""
        name = f"defects-written/n{next(self.numbers)}"
        uri = self.catalog.put_object("defects/source", b"source")
        params = {"bucket": WORK, "name": name, "message": name}
        entries = [{"logicalKey": "x", "physicalKey": uri}]
        query = "mutation C($p: PackagePushParams!, $s: PackageConstructSource!) {"
        query += " packageConstruct(params: $p, src: $s) { ... on PackagePushSuccess { revision { hash } } } }"
        status = self.catalog.post(query, {"p": params, "s": {"entries": entries}}).status_code
        listed = self.catalog.s3.list_objects_v2(Bucket=WORK, Prefix=f".quilt/named_packages/{name}/")
        keys = [item["Key"].rpartition("/")[2] for item in listed.get("Contents", [])]
        return status, Counter("latest" if key == "latest" else "second" for key in keys)

    def stored_hash(self) -> bool:
        """Return whether a constructed package has the hash of the sample's old revision, whose content is the same."""
        name = f"defects-written/n{next(self.numbers)}"
        uri = self.catalog.put_object("defects/source", b"source")
        arm = self.catalog.construct(name, {"x": uri}, message="the same")
        return bool(arm["revision"]["hash"] == self.old)

    def promoted(self) -> bool:
        """Promote the sample and return whether its objects were copied."""
        name = f"defects-written/n{next(self.numbers)}"
        variables = {"params": {"bucket": WORK, "name": name}, "src": {"bucket": WORK, "name": NAME, "hash": self.new}}
        arm = self.catalog.data(PROMOTE, variables)["packagePromote"]
        keys = [entry["physicalKey"] for entry in arm["revision"]["contentsFlatMap"].values()]
        return all(str(key).startswith(f"s3://{WORK}/{name}/") for key in keys)

    def asked_at_once(self) -> list[str]:
        """Query two packages concurrently and return the names in the responses."""
        with ThreadPoolExecutor(2) as pool:
            return [found["name"] for found in pool.map(self.asked, [NAME, "defects/other"])]

    def waited_together(self) -> bool:
        """Return whether two concurrent queries, each delayed by 1.5 s, took less than 3 s together."""
        self.catalog.control("PUT", "faults/latency", {"operation": "read", "seconds": 1.5})
        began = time.monotonic()
        self.asked_at_once()
        self.catalog.control("DELETE", "faults/latency")
        return time.monotonic() - began < 3

    def written_at_once(self) -> list[Any]:
        """Construct two packages concurrently and return the keys of each."""
        with ThreadPoolExecutor(2) as pool:
            return [found[0] for found in pool.map(self.written, ["one", "two"])]

    def locked(self) -> Any:
        """Construct a package whose lock expires in 0.5 s and return whether the construct ignored that lock."""
        name = f"defects-written/n{next(self.numbers)}"
        row = (WORK, name, "other", 1, time.time() - 599.5)
        self.catalog.sql("INSERT INTO package_locks VALUES (?, ?, ?, ?, ?)", *row)
        self.written(name=name)
        left = self.catalog.sql("SELECT token FROM package_locks WHERE name = ?", name)
        self.catalog.sql("DELETE FROM package_locks WHERE name = ?", name)
        return left == [("other",)]

    def browsed(self, path: str, user: str = "test-user") -> Any:
        """Open a browsing session on the sample as test-user.

        Return the bytes of a path, or the status of the refusal.
        """
        scope = f"s3://{WORK}#package={NAME}&hash={self.new}"
        session = self.catalog.data(OPEN, {"s": scope})["browsingSessionCreate"]["id"]
        answer = self.catalog.get(f"/browse/{session}/{path}", user)
        return self.catalog.http.get(answer.headers["location"]).content if answer.is_redirect else answer.status_code

    def me(self, **claims: Any) -> Any:
        """Return the name that `me` answers to a token with changed claims or another secret, or the refusal's code."""
        answer = self.catalog.post("{ me { name } }", user="", Authorization=f"Bearer {self.catalog.forged(**claims)}")
        return answer.json()["data"]["me"]["name"] if answer.is_success else answer.json()["code"]

    def lent_to(self) -> str:
        """Return the role that test-user's vended credentials carry."""
        lent = self.catalog.get("/registry/api/auth/get_credentials").json()
        session = boto3.session.Session(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"], "us-east-1")
        identity = session.client("sts", endpoint_url=self.catalog.target.aws_url).get_caller_identity()
        return identity["Arn"].split("/")[1]

    def relevance(self) -> tuple[int, str]:
        """Return how many buckets an admin sees, and the last word of the most relevant one's name."""
        found = self.catalog.data("{ bucketConfigs { name relevanceScore } }", user="test-admin")["bucketConfigs"]
        best = max(found, key=lambda bucket: (bucket["relevanceScore"], bucket["name"]))
        return len(found), best["name"].rpartition("-")[2]

    def rotated(self) -> bool:
        """Return whether an exchange returns a new refresh token."""
        given = self.catalog.issued("test-user")
        return bool(self.catalog.sign_in(given).json()["refresh_token"] != given)

    def inactive(self) -> Any:
        """Return the status of a query by a user who is not active."""
        token = self.catalog.token("test-service")
        self.catalog.sql("UPDATE users SET is_active = 0 WHERE name = 'test-service'")
        try:
            answer = self.catalog.post("{ me { name } }", user="", Authorization=f"Bearer {token}")
        finally:
            self.catalog.sql("UPDATE users SET is_active = 1 WHERE name = 'test-service'")
        return answer.status_code

    def deleted(self) -> Any:
        """Create and delete a package, and return whether it is still listed."""
        name = f"defects-deleted/n{next(self.numbers)}"
        top_hash = self.catalog.package(name, {"x": b"1"})
        self.catalog.data(DELETE, {"n": name, "h": top_hash})
        listed = self.catalog.data(LIST, {"f": name, "n": 1})["packages"]["page"]
        return [package["name"] for package in listed] == [name]

    def new_is_found(self) -> bool:
        """Create a package and return whether a search finds it at once."""
        name = f"defects-found/n{next(self.numbers)}"
        self.catalog.package(name, {"x": b"1"})
        return bool(self.search(name) != "EmptySearchResultSet")

    def missing_message(self) -> bool:
        """Return whether the message of a refused operation holds a traceback."""
        answer = self.catalog.data(DELETE, {"n": NAME, "h": "0" * 64})["packageRevisionDelete"]
        return "Traceback" in answer["message"]

    def crashed(self) -> Any:
        """Query a revision with a damaged manifest, which crashes. Return the status and whether there is data."""
        key = ".quilt/named_packages/defects/damaged/latest"
        self.catalog.s3.put_object(Bucket=WORK, Key=".quilt/packages/" + "c" * 64, Body=b"[]")
        self.catalog.s3.put_object(Bucket=WORK, Key=key, Body=b"c" * 64)
        answer = self.catalog.post(SAMPLE, {"n": "defects/damaged", "at": "latest", "path": ""})
        self.catalog.s3.delete_object(Bucket=WORK, Key=key)
        return answer.status_code, "data" in answer.json()
