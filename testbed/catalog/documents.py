"""Search documents: packages from the index and objects from S3, each with named fields."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError

from testbed.catalog import query_language
from testbed.catalog import terms
from testbed.catalog.search import fields_of
from testbed.catalog.search import haystack
from testbed.catalog.search_fields import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from testbed.catalog.manifest import Manifest
    from testbed.catalog.registry import Registry

OWN: Final = ".quilt/"  # the registry's own objects are never found
REST: Final = 9  # times the listing's duration: listing takes a tenth of the time at most
LONGEST_REST_S: Final = 10.0
SHOWN: Final = frozenset(
    {"ptr_name", "mnfst_name", "top_hash", "ptr_tag", "ptr_last_modified", "comment", "description", "tags", "metadata"}
)
LATER: Final = ("version_id", "content_type")


@dataclass(frozen=True, slots=True)
class Document:
    """One search result; `later` returns the fields that cost a request each."""

    id: str
    index: str
    text: str
    source: dict[str, Any]
    later: Callable[[], dict[str, Any]] = dict
    hidden: dict[str, Any] = field(default_factory=dict)  # fields that can be searched but are not returned

    def field(self, name: str) -> Any:
        """Return a field by its name, with or without `.keyword`; None if there is none."""
        bare = name.removesuffix(".keyword")
        return self.later().get(bare) if bare in LATER else self.source.get(bare, self.hidden.get(bare))

    def look(self, name: str) -> Any:
        """Return a field by the name that a query uses, which may be an alias."""
        return self.field(ALIASES.get(name, name))

    def hit(self) -> dict[str, Any]:
        """Return the document as an Elasticsearch hit."""
        return {"_id": self.id, "_index": self.index, "_score": 1.0, "_source": self.source | self.later()}


def of_package(row: dict[str, Any]) -> Document:
    """Return the document of an index row."""
    known = fields_of(row)
    source = {name: value for name, value in known.items() if name in SHOWN}
    return Document(f"{row['name']}:latest", f"{row['bucket']}_packages", haystack(row), source, hidden=known)


def of_entries(row: dict[str, Any], manifest: Manifest) -> Iterator[Document]:
    """Yield a document for each entry of a row's revision.

    Entries have no text; a query finds them only by fields that begin with `entry_`.
    """
    for key, entry in manifest.entries.items():
        source = {
            "entry_pk": entry["physical_keys"][0],
            "entry_lk": key,
            "entry_size": entry["size"],
            "entry_hash": entry["hash"],
            "entry_metadata": json.dumps(entry.get("meta") or {}),
            "mnfst_name": row["hash"],
        }
        yield Document(f"{row['hash']}/{key}", f"{row['bucket']}_packages", "", source)


@dataclass(slots=True)
class Listing:
    """A cached listing of a bucket; times are monotonic seconds."""

    started: float = -math.inf
    ends: float = -math.inf
    documents: list[Document] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Objects:
    """The objects of buckets, found by listing; at most one listing per bucket runs at a time.

    A request shares a listing that began after it arrived. A listing of several pages is also reused for nine times its
    duration, at most ten seconds. Small buckets are always listed anew.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._listings: defaultdict[str, Listing] = defaultdict(Listing)

    def documents(self, buckets: Iterable[str]) -> list[Document]:
        """Return all objects of buckets, newest first, then by key."""
        found = [document for bucket in buckets for document in self._listed(bucket)]
        found.sort(key=lambda document: document.source["key"])
        return sorted(found, key=lambda document: str(document.source["last_modified"]), reverse=True)

    def find(self, buckets: Iterable[str], text: str) -> list[Document]:
        """Return the objects whose key matches a query string."""
        query = query_language.parse(text, self._registry.defects.bend("search rules", terms.Rules()))
        hits = [document for document in self.documents(buckets) if query.matches(document.text, document.look)]
        return list(self._registry.defects.bend("search hits", hits, everything=lambda: self.documents(buckets)))

    def _listed(self, bucket: str) -> list[Document]:
        asked, listing = time.monotonic(), self._listings[bucket]
        with listing.lock:
            if listing.started < asked and listing.ends < time.monotonic():
                self._list(bucket, listing)
            return listing.documents

    def _list(self, bucket: str, listing: Listing) -> None:
        started = time.monotonic()
        pages = list(self._registry.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket))
        items = [item for page in pages for item in page.get("Contents", []) if not item["Key"].startswith(OWN)]
        listing.documents = [self._document(bucket, item) for item in items]
        listing.started, now = started, time.monotonic()
        listing.ends = now + min(REST * (now - started), LONGEST_REST_S) if len(pages) > 1 else now

    def _document(self, bucket: str, item: Any) -> Document:
        key, cut = item["Key"], item["Key"].rpartition("/")[2].rpartition(".")
        source = {
            "key": key,
            "ext": f".{cut[2]}" if cut[1] else "",
            "size": item["Size"],
            "last_modified": item["LastModified"].isoformat(),
        }
        return Document(f"{bucket}/{key}", bucket, key, source, lambda: self._head(bucket, key))

    def _head(self, bucket: str, key: str) -> dict[str, Any]:
        try:
            head = self._registry.s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            # The object was deleted after the listing: it has neither field.
            return dict.fromkeys(LATER)
        return {"version_id": head.get("VersionId", "null"), "content_type": head.get("ContentType")}
