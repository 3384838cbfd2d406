"""Packages and objects of a test: named after the run, in the ledger before they exist, deleted at its end."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Protocol

from nightproof.evidence import own_words
from suites._support.hashes import top_hash
from suites._support.removal import remove_all
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.quilt import QuiltOps
    from suites._support.observer import Observer

SPACING_S: Final = 1.1  # revision pointers are named by whole seconds
SPACING_DEADLINE_S: Final = 5


class Ledger(Protocol):
    """The part of the plugin's write-ahead ledger that a test uses."""

    @property
    def tag(self) -> str:
        """Return the characters that every name of this run contains."""
        ...

    @property
    def path(self) -> Path:
        """Return the file of the ledger."""
        ...

    @property
    def run_id(self) -> str:
        """Return the id of the run that the ledger belongs to."""
        ...

    def intent(self, kind: str, locator: dict[str, Any], test_id: str = "") -> str:
        """Record a resource that is about to be created; return its id in the ledger."""
        ...

    def confirmed(self, resource_id: str) -> None:
        """Record that the resource exists."""
        ...

    def deleted(self, resource_id: str) -> None:
        """Record that the resource was deleted."""
        ...


class Work:
    """Names and sources for one test; deletes the packages and objects created under them."""

    def __init__(
        self, *, ledger: Ledger, observer: Observer, ops: QuiltOps, bucket: str, label: str, test_id: str
    ) -> None:
        self._ledger = ledger
        self._observer = observer
        self._ops = ops
        self.bucket = bucket
        self.registry = f"s3://{bucket}"
        self._label = label
        self._test_id = test_id
        self._packages: dict[str, str] = {}
        self._prefixes: dict[str, tuple[str, str]] = {}

    def own_message(self, message: str) -> str:
        """Return a message that makes a revision unique to this test; every creation by copy needs one."""
        return own_words(f"{message} of np-{self._ledger.tag}-{self._label}")

    def package_name(self, short: str) -> str:
        """Return a new package name, already in the ledger."""
        number = len(self._packages)
        name = f"np-{self._ledger.tag}/{short}-{self._label}-{number}"
        intent = self._ledger.intent("package", {"registry": self.registry, "name": name}, self._test_id)
        self._packages[name] = intent
        return name

    def put(self, short: str, file: str, data: bytes) -> str:
        """Upload a source object into the bucket of this work space and return its URI."""
        return self._observer.put(self.bucket, f"{self.prefix(self.bucket, short)}{file}", data)

    def prefix(self, bucket: str, short: str) -> str:
        """Return a key prefix in a bucket, in the ledger from its first use on."""
        prefix = f"np-{self._ledger.tag}/sources/{short}-{self._label}/"
        if prefix not in self._prefixes:
            intent = self._ledger.intent("prefix", {"bucket": bucket, "prefix": prefix}, self._test_id)
            self._prefixes[prefix] = (bucket, intent)
        return prefix

    def create(self, short: str, entries: list[dict[str, Any]], **more: Any) -> str:
        """Create a package through the interface and return its name."""
        name = self.package_name(short)
        self._ops.create_package_revision(name, self.registry, entries, **more)
        self._ledger.confirmed(self._packages[name])
        return name

    def await_next_second(self, name: str) -> None:
        """Wait until a further revision of the package gets its own pointer."""
        newest = max(self._observer.pointer_times(self.bucket, name))
        wait_for(
            f"a second after the newest pointer of {name}",
            lambda: time.time() >= newest + 1 + (SPACING_S - 1),
            deadline_s=SPACING_DEADLINE_S,
            every_s=0.05,
        )

    def store(self, name: str, header: dict[str, Any], entries: list[dict[str, Any]], *, stamp: int) -> str:
        """Write a revision to S3 as a push leaves it, not through the interface, and return its hash.

        `stamp` is the second that names its pointer.
        """
        stored = top_hash(header, entries)
        lines = "".join(json.dumps(line) + "\n" for line in [header, *entries])
        self._observer.put(self.bucket, f".quilt/packages/{stored}", lines.encode())
        for tag in (stamp, "latest"):
            self._observer.put(self.bucket, f".quilt/named_packages/{name}/{tag}", stored.encode())
        return stored

    def expect_copies(self, name: str) -> None:
        """Record in the ledger the objects that a package made with `copy` gets in this registry."""
        intent = self._ledger.intent("prefix", {"bucket": self.bucket, "prefix": f"{name}/"}, self._test_id)
        self._prefixes[f"{name}/"] = (self.bucket, intent)

    def expect_manifest(self, top_hash: str) -> None:
        """Record in the ledger a manifest that may be left without a pointer."""
        intent = self._ledger.intent("manifest", {"registry": self.bucket, "hash": top_hash}, self._test_id)
        self._prefixes[f".quilt/packages/{top_hash}"] = (self.bucket, intent)

    def put_one(self, bucket: str, short: str, data: bytes) -> str:
        """Upload a single object, with its own ledger entry before it, and return its key."""
        key = f"np-{self._ledger.tag}/{short}-{self._label}.txt"
        intent = self._ledger.intent("object", {"bucket": bucket, "key": key}, self._test_id)
        self._prefixes[key] = (bucket, intent)
        self._observer.put(bucket, key, data)
        self._ledger.confirmed(intent)
        return key

    def remove(self) -> None:
        """Delete packages through the interface and objects directly; record in the ledger those that are gone."""
        prefixes = [partial(self._remove_prefix, prefix, *where) for prefix, where in self._prefixes.items()]
        # The last step runs first: packages are deleted before the objects that they point at.
        remove_all([*prefixes, *(partial(self._remove_package, *made) for made in self._packages.items())])

    def _remove_package(self, name: str, intent: str) -> None:
        if self._observer.exists(self.bucket, name):
            self._ops.delete_package(name, self.registry)
        if not self._observer.exists(self.bucket, name):
            self._ledger.deleted(intent)

    def _remove_prefix(self, prefix: str, bucket: str, intent: str) -> None:
        self._observer.remove(bucket, prefix)
        if not self._observer.inventory(bucket, prefix):
            self._ledger.deleted(intent)
