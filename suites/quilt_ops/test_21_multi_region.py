"""Buckets in two regions: a package across both, their reported regions, and the outage of one region."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from suites._support.exclusive import alone
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from suites._support.control import Faults
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "browse-data"
TIMEOUT_S = 30
CATALOG_USER = "catalog-service"
WEST, EAST = "west.txt", "data1.csv"
# quilt3 asks S3 for a bucket's region before it signs; the catalog knows the region, so the download itself fails.
OUTAGE = {"quilt3": ("s3", "ServiceUnavailable", 503), "platform": 503}


@pytest.fixture
def name(work: Work, target: Settings) -> Iterator[str]:
    """Yield a package with one file in each region, under a lock against another cell's outage of the west."""
    entries = [
        {"logical_key": WEST, "physical_key": f"s3://{target.west}/west.txt"},
        {"logical_key": EAST, "physical_key": f"s3://{target.data}/simple-csv/data1.csv"},
    ]
    with alone(target.placement, "west"):
        yield work.create("regions", entries)


def stated_regions(seeds: Seeds, target: Settings) -> dict[str, str]:
    """Return the region of each bucket as in the manifest, under the target's bucket names."""
    buckets = seeds.manifest["buckets"].items()
    return {getattr(target, name.rsplit("-", 1)[1]): bucket["region"] for name, bucket in buckets}


def fetched(url: str) -> requests.Response:
    """Request a download URL as a plain HTTP client does."""
    return requests.get(url, timeout=TIMEOUT_S)


def gotten(url_of: Callable[[], str]) -> object:
    """Return the HTTP status of a download, or the error that prevented its URL."""
    try:
        return fetched(url_of()).status_code
    except quilt.BackendError as error:
        return tuple(error.context[field] for field in ("kind", "s3_code", "http_status"))


@case(tier="normal", category="regions", needs=("write",), journey=JOURNEY)
def test_package_over_two_regions(
    quilt_ops: quilt.QuiltOps, work: Work, name: str, seeds: Seeds, target: Settings
) -> None:
    """Files of both regions are listed and downloaded, each with a URL signed for its own region."""
    items = quilt_ops.browse_content(name, work.registry)
    assert [(item.path, item.size) for item in items] == [(EAST, 200_000), (WEST, 1000)]
    regions = {}
    for path, sha256 in ((EAST, seeds.sha256("simple-csv", EAST)), (WEST, seeds.checksums[WEST])):
        url = quilt_ops.get_content_url(name, work.registry, path)
        answer = fetched(url)
        assert answer.status_code == 200
        assert sha256_hex(answer.content) == sha256
        (credential,) = parse_qs(urlsplit(url).query)["X-Amz-Credential"]
        regions[path] = credential.split("/")[2]
    assert regions == {EAST: target.region, WEST: stated_regions(seeds, target)[target.west]}


@case(tier="normal", category="regions", needs=("admin",), journey=JOURNEY)
def test_bucket_regions_reported(admin_ops: quilt.QuiltOps, seeds: Seeds, target: Settings) -> None:
    """Every bucket is listed with its region."""
    found = {bucket.name: bucket.region for bucket in admin_ops.list_buckets()}
    stated = stated_regions(seeds, target)
    assert {name: found[name] for name in target.ours(found, stated)} == stated
    assert stated[target.west] == "us-west-2"


@case(tier="normal", category="regions", needs=("admin", "mint_jwt", "write", "fault"), journey=JOURNEY)
def test_region_outage_is_reported(
    people: People, work: Work, name: str, seeds: Seeds, fault: Faults, target: Settings, backend: str
) -> None:
    """During an outage of one region its file fails with a clear error; the other file and the listing work."""
    user = people.create("traveller").name
    ops = people.sign_in(user)
    assert fetched(ops.get_content_url(name, work.registry, WEST)).status_code == 200
    for aim in ({"user": user}, {"user": CATALOG_USER, "prefix": WEST}):  # affects no other test's requests
        fault.set("aws", "error", operation="*", bucket=target.west, status=503, code="ServiceUnavailable", **aim)
    assert gotten(lambda: ops.get_content_url(name, work.registry, WEST)) == OUTAGE[backend]
    east = fetched(ops.get_content_url(name, work.registry, EAST))
    assert sha256_hex(east.content) == seeds.sha256("simple-csv", EAST)
    assert [item.path for item in ops.browse_content(name, work.registry)] == [EAST, WEST]
