"""The number of listings that object search makes of a bucket."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import pytest

from testbed.catalog.documents import Objects
from testbed.catalog.injection import Defects
from testbed.catalog.registry import Registry
from testbed.faults.control import Faults
from tests.testbed.catalog.calling import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

SPARE = "nightproof-analyticsbucket"
PREFIX = "objects-test/"


class Counting:
    """An S3 client that counts its listings."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.listings = 0

    def get_paginator(self, name: str) -> Any:
        """Count a listing and return the client's paginator."""
        self.listings += 1
        return self._s3.get_paginator(name)

    def put(self, key: str) -> None:
        """Store an empty object."""
        self._s3.put_object(Bucket=SPARE, Key=PREFIX + key, Body=b"")


@pytest.fixture
def counting(catalog: Calling) -> Iterator[Counting]:
    """Yield a counting client. Its objects are deleted after the test."""
    yield Counting(catalog.s3)
    for page in catalog.s3.get_paginator("list_objects_v2").paginate(Bucket=SPARE, Prefix=PREFIX):
        keys: Any = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if keys:
            catalog.s3.delete_objects(Bucket=SPARE, Delete={"Objects": keys})


def objects_of(counting: Any) -> Objects:
    """Return an object search that lists with the counting client."""
    return Objects(Registry(counting, Defects(Faults({}, {}), {})))


def test_a_small_bucket_is_never_seen_late(counting: Counting) -> None:
    """Each successive search of a small bucket lists it anew."""
    objects = objects_of(counting)
    for number in range(3):
        counting.put(f"small/{number}")
        assert len(objects.find([SPARE], "small")) == number + 1
    assert counting.listings == 3


def test_a_large_bucket_is_listed_for_a_tenth_of_the_time(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing of several pages is reused for a while, so that a new object shows later."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: counting.put(f"large/{number}"), range(1001)))
    objects, now = objects_of(counting), time.monotonic()
    monkeypatch.setattr("testbed.catalog.documents.LONGEST_REST_S", 100.0)
    monkeypatch.setattr("testbed.catalog.documents.REST", 1e6)
    assert len(objects.find([SPARE], "large")) == 1001
    counting.put("large/more")
    assert len(objects.find([SPARE], "large")) == 1001
    assert counting.listings == 1
    monkeypatch.setattr("testbed.catalog.documents.time.monotonic", lambda: now + 200)
    assert len(objects.find([SPARE], "large")) == 1002


def test_questions_at_the_same_time_share_a_listing(catalog: Calling, switch_storage: Callable[..., None]) -> None:
    """Concurrent searches share listings: twelve take less time than twelve listings in a row."""
    catalog.put_object("objects-test/shared", b"x", PRIVATE)
    catalog.token("test-admin")
    switch_storage("latency", operation="ListObjectsV2", bucket=PRIVATE, seconds=0.3)

    def search(_: int) -> int:
        answer = catalog.get("/registry/api/search", "test-admin", index=PRIVATE, query="objects-test")
        return int(answer.json()["hits"]["total"])

    started = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(search, range(12))) == [1] * 12
    assert time.monotonic() - started < 2.4  # twelve listings take 3.6 s
