"""Defects that mix up manifests read or written at the same time, and never one at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import refused
from tests.testbed.aws.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.aws.asking import Asking

LATENCY_S = 1.5

PRIVATE = "quilt-mcp-test-private"


@pytest.fixture
def registry(aws: Asking, prefix: str) -> Iterator[Registry]:
    """Yield a registry with packages that no other test sees. They are deleted after the test."""
    made = Registry(aws, prefix)
    yield made
    made.clean()


def test_readers_at_once_get_each_others_manifest(registry: Registry, switch: Callable[..., None]) -> None:
    """Two concurrent readers get each other's manifest. A single reader gets the right one."""
    first, second = registry.push("p", 1, "one"), registry.push("q", 1, "two")
    switch("catalog-mixes-concurrent-answers", user="ci-seeder")  # the catalog reads manifests too, at any time
    assert registry.keys(first) == ["one"]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(registry.keys, [first, second])) == [["two"], ["one"]]
    missing = {"Bucket": WORK, "Key": f".quilt/packages/{'3' * 64}"}
    assert refused(lambda: registry.aws.s3.get_object(**missing)) == "NoSuchKey"


def test_writers_at_once_get_each_others_content(registry: Registry, switch: Callable[..., None]) -> None:
    """Two manifests stored concurrently are stored under each other's key, and stay so."""
    switch("construct-crosses-packages")
    assert registry.keys(registry.push("alone", 1, "alone")) == ["alone"]
    runner, foreign = registry.aws.client("s3", "ci-runner"), f".quilt/packages/{'4' * 64}"
    assert refused(lambda: runner.put_object(Bucket=PRIVATE, Key=foreign, Body=b"{}")) == "AccessDenied"
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda name: registry.push(name, 1, name), ["p", "q"])
    registry.aws.control("DELETE", "faults/construct-crosses-packages")
    assert [registry.keys(top_hash) for top_hash in (first, second)] == [["q"], ["p"]]


def test_requests_wait_for_each_other(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """Two concurrent requests take the latency of one, and that of two under `catalog-serialises-requests`."""

    def together() -> float:
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: refused(lambda: aws.s3.head_object(Bucket=WORK, Key=f"{prefix}a")), range(2)))
        return time.monotonic() - began

    together()  # the first opens the connections
    switch("latency", operation="HeadObject", bucket=WORK, prefix=prefix, seconds=LATENCY_S)
    assert LATENCY_S <= together() < 2 * LATENCY_S
    switch("catalog-serialises-requests")
    assert together() >= 2 * LATENCY_S
