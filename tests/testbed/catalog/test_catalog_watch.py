"""The index watches the registries: packages of other writers are found, and damaged ones do not block it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling


def test_a_push_straight_to_the_storage_is_found(catalog: Calling) -> None:
    """A package written directly to S3 is found by search, and damaged ones are skipped."""
    top_hash = catalog.package("watch/source", {"f": b"1"})
    endless = b'{}\n{"logical_key": "a", "physical_keys": ["s3://b/k"], "hash": {}, "size": Infinity}\n'
    hashes = {name: uuid.uuid4().hex * 2 for name in ("damaged", "dangling", "endless")}
    catalog.s3.put_object(Bucket=WORK, Key=f".quilt/packages/{hashes['damaged']}", Body=b"[]")
    catalog.s3.put_object(Bucket=WORK, Key=f".quilt/packages/{hashes['endless']}", Body=endless)
    bodies = {name: hashed.encode() for name, hashed in hashes.items()}
    for name, body in (bodies | {"bytes": b"\xff", "pushed": top_hash.encode()}).items():
        catalog.s3.put_object(Bucket=WORK, Key=f".quilt/named_packages/watch/{name}/latest", Body=body)
    catalog.await_search("watch/", lambda names: names == ["watch/pushed", "watch/source"])


def test_a_bucket_that_cannot_be_listed_holds_up_no_other(
    catalog: Calling, switch_storage: Callable[..., None]
) -> None:
    """A bucket that cannot be listed does not keep the watch from the other buckets."""
    top_hash = catalog.package("behind/source", {"f": b"1"})
    switch_storage("error", operation="ListObjectsV2", bucket=DATA, status=501)
    catalog.s3.put_object(Bucket=WORK, Key=".quilt/named_packages/behind/pushed/latest", Body=top_hash.encode())
    catalog.await_search("behind/", lambda names: names == ["behind/pushed", "behind/source"])
