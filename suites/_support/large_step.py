"""Reads of large data in one process: whole answers, their durations and the growth of peak memory."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from suites._support.athena import query
from suites._support.timing import timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof import quilt

KILOBYTE: Final = 1024  # Linux reports ru_maxrss in this unit
KEYS_PER_PAGE: Final = 300
PAGE: Final = """query Page($bucket: String!, $number: Int!, $perPage: Int!) {
  packages(bucket: $bucket) { total page(number: $number, perPage: $perPage) { name } }
}"""
FLAT: Final = """query Flat($bucket: String!, $name: String!) {
  package(bucket: $bucket, name: $name) { revision { totalEntries contentsFlatMap(max: 1000) } }
}"""


@dataclass(frozen=True)
class Reader:
    """Reads large data through one client."""

    ops: quilt.QuiltOps
    request: dict[str, Any]

    def keys(self) -> list[list[str]]:
        """Return the keys of a prefix, one list per page of 300."""
        paginator = self.ops.get_boto3_client("s3").get_paginator("list_objects_v2")
        asked = {"Bucket": self.request["bucket"], "Prefix": self.request["prefix"]}
        pages = paginator.paginate(**asked, PaginationConfig={"PageSize": KEYS_PER_PAGE})
        return [[found["Key"] for found in page.get("Contents", [])] for page in pages]

    def hits(self) -> list[list[str]]:
        """Search for a word that occurs in a hundred packages; return name and top hash of each hit."""
        found = self.ops.search_packages(self.request["word"], f"s3://{self.request['bucket']}")
        return [[hit.name, hit.top_hash] for hit in found]

    def names(self, per_page: int) -> list[list[str]]:
        """Return package names, one list per page, up to the first empty page."""
        pages: list[list[str]] = []
        while not pages or pages[-1]:
            asked = {"bucket": self.request["bucket"], "number": len(pages) + 1, "perPage": per_page}
            found = self.ops.execute_graphql_query(PAGE, asked)["data"]["packages"]
            pages.append([package["name"] for package in found["page"]])
        return pages[:-1]

    def files(self) -> list[list[Any]]:
        """Browse a package of 1,000 files; return path, type and size of each item."""
        items = self.ops.browse_content("bulk/files-1000", f"s3://{self.request['bucket']}")
        return [[item.path, item.type, item.size] for item in items]

    def rows(self) -> list[list[str | None]]:
        """Query 10,000 rows of a table and read all pages; raise ValueError unless the statement succeeds."""
        client = self.ops.get_boto3_client("athena")
        statement = f"SELECT id, name, value FROM {self.request['table']} ORDER BY id"  # noqa: S608 - a seeded name
        ended = query(client, statement, time_factor=self.request["time_factor"])
        if ended.state != "SUCCEEDED":
            raise ValueError(f"The statement ended {ended.state}: {ended.reason}")
        return ended.rows

    def flat(self) -> dict[str, list[Any]]:
        """Return number of entries and flat map of two packages; a map beyond 1,000 entries is None."""
        found = {}
        for name in ("bulk/files-1000", "bulk/files-10000"):
            body = self.ops.execute_graphql_query(FLAT, {"bucket": self.request["bucket"], "name": name})
            revision = body["data"]["package"]["revision"]
            flat = revision["contentsFlatMap"]
            found[name] = [revision["totalEntries"], flat and {key: entry["size"] for key, entry in flat.items()}]
        return found


def large(ops: quilt.QuiltOps, request: dict[str, Any]) -> dict[str, Any]:
    """Run every read within its limit; return answers, seconds and growth of peak memory in bytes, by name."""
    reader, factor = Reader(ops, request), request["time_factor"]
    ops.list_all_packages(f"s3://{request['bucket']}")  # keeps one-time memory out of the measurements
    readings: dict[str, Callable[[], Any]] = {
        "keys": reader.keys,
        "hits": reader.hits,
        "names_by_30": lambda: reader.names(30),
        "names_by_100": lambda: reader.names(100),
        "files": reader.files,
        "rows": reader.rows,
        "flat": reader.flat,
    }
    answers: dict[str, Any] = {}
    for name, read in readings.items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        results, seconds = timed(read, request["limits_s"][name] * factor)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * KILOBYTE
        is_steady = all(result == results[0] for result in results)
        answers[name] = {"answer": results[0], "steady": is_steady, "seconds": seconds, "grown_bytes": grown}
    return answers
