"""What a search finds: packages from the index, objects from the storage itself, both as documents with fields."""

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

OWN: Final = ".quilt/"  # a registry's own objects are no finds
REST: Final = 9  # a large bucket is listed for a tenth of the time at most
LONGEST_REST_S: Final = 10.0
SHOWN: Final = frozenset(
    {"ptr_name", "mnfst_name", "top_hash", "ptr_tag", "ptr_last_modified", "comment", "description", "tags", "metadata"}
)
LATER: Final = ("version_id", "content_type")


@dataclass(frozen=True, slots=True)
class Document:
    """One find; `later` gives the fields that cost a request each."""

    id: str
    index: str
    text: str
    source: dict[str, Any]
    later: Callable[[], dict[str, Any]] = dict
    hidden: dict[str, Any] = field(default_factory=dict)  # what can be searched and no answer shows

    def field(self, name: str) -> Any:
        """Give a field by its name, with or without `.keyword`; nothing when there is none."""
        bare = name.removesuffix(".keyword")
        return self.later().get(bare) if bare in LATER else self.source.get(bare, self.hidden.get(bare))

    def look(self, name: str) -> Any:
        """Give what a query asks for by a field's name."""
        return self.field(ALIASES.get(name, name))

    def hit(self) -> dict[str, Any]:
        """Write the document as Elasticsearch does."""
        return {"_id": self.id, "_index": self.index, "_score": 1.0, "_source": self.source | self.later()}


def of_package(row: dict[str, Any]) -> Document:
    """Describe a row of the index."""
    known = fields_of(row)
    source = {name: value for name, value in known.items() if name in SHOWN}
    return Document(f"{row['name']}:latest", f"{row['bucket']}_packages", haystack(row), source, hidden=known)


def of_entries(row: dict[str, Any], manifest: Manifest) -> Iterator[Document]:
    """Describe the entries of a row's revision; they have no text, only fields that begin with `entry_`."""
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
    """The objects of a bucket as they were listed, in monotonic seconds."""

    started: float = -math.inf
    ends: float = -math.inf
    documents: list[Document] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Objects:
    """Finds objects by listing them, each bucket once at a time.

    Who waits for a listing that began after the question shares it; a listing of several pages also serves for a
    while, so that it takes no more than a tenth of the time. Small buckets are never seen late.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._listings: defaultdict[str, Listing] = defaultdict(Listing)

    def documents(self, buckets: Iterable[str]) -> list[Document]:
        """Give all objects of buckets, newest first, then by key."""
        found = [document for bucket in buckets for document in self._listed(bucket)]
        found.sort(key=lambda document: document.source["key"])
        return sorted(found, key=lambda document: str(document.source["last_modified"]), reverse=True)

    def find(self, buckets: Iterable[str], text: str) -> list[Document]:
        """Give the objects whose key matches a search text."""
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
            # the object went between listing and asking: it has neither any more
            return dict.fromkeys(LATER)
        return {"version_id": head.get("VersionId", "null"), "content_type": head.get("ContentType")}
