"""Package discovery: search, list and package information."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe

if TYPE_CHECKING:
    from suites._support.control import CallLog
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "find-data"
PATTERN = "[A-Za-z0-9_-]+/[A-Za-z0-9_-]+"
BAD_NAMES = ("invalid-format", "a/b/c", "a.b/c", "/x", "x/", "a/b\n")


@case(tier="critical", category="discovery", journey=JOURNEY)
def test_search_by_keyword(
    quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, observer: Observer, target: Settings
) -> None:
    """A search ignores case, joins terms by OR and returns each hit once, newest first, with all its fields."""
    csv = set(seeds.manifest["search"]["csv"])
    hits = quilt_ops.search_packages("csv", test_registry)
    names = target.ours([hit.name for hit in hits], csv)
    assert names == seeds.newest_first(csv)
    assert quilt_ops.search_packages("CSV", test_registry) == hits
    either = quilt_ops.search_packages("nested csv", test_registry)
    wanted = csv | {"test-user/nested-structure"}
    assert target.ours([hit.name for hit in either], wanted) == seeds.newest_first(wanted)
    for hit in filter(lambda hit: hit.name in wanted, either):
        seed, (body, written) = seeds.package(hit.name), observer.latest(target.packages, hit.name)
        assert hit.top_hash == seeds.top_hash(hit.name) == body
        assert (hit.description, hit.tags) == (seed["metadata"]["description"], tuple(seed["metadata"]["tags"]))
        assert (hit.message, hit.registry, hit.bucket) == (seed["message"], test_registry, target.packages)
        assert datetime.fromisoformat(hit.modified_date).replace(microsecond=0) == written.replace(microsecond=0)
    observe("names", names)


@case(tier="high", category="discovery", needs=("call_log",), journey=JOURNEY)
def test_search_without_hits(quilt_ops: quilt.QuiltOps, test_registry: str, call_log: CallLog) -> None:
    """A search without hits returns an empty list after exactly one request to the server."""
    assert quilt_ops.search_packages("nonexistent-xyz-123", test_registry) == []
    searches = [call for call in call_log.calls("catalog") if "search" in call.operation.lower()]
    assert [call.status for call in searches] == [200]


@case(tier="critical", category="discovery", journey=JOURNEY)
def test_list_all_packages(quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, target: Settings) -> None:
    """The list contains exactly the baseline packages in order, without the deleted package."""
    found = quilt_ops.list_all_packages(test_registry)
    names = target.ours(found, seeds.package_names)
    assert names == seeds.package_names
    assert len(names) == 10
    assert "test-user/deleted-pkg" not in found
    observe("names", names)


@case(tier="critical", category="discovery", journey=JOURNEY)
def test_package_info(
    quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, observer: Observer, target: Settings
) -> None:
    """Package information is that of the newest revision: dates to the second, texts to the letter."""
    versioned = quilt_ops.get_package_info("test-user/versioned-data", test_registry)
    assert versioned.top_hash == seeds.top_hash("test-user/versioned-data", "v2")
    assert versioned.message == seeds.package("test-user/versioned-data")["message"]
    name = "test-user/metadata-rich"
    info, seed = quilt_ops.get_package_info(name, test_registry), seeds.package(name)
    body, written = observer.latest(target.packages, name)
    assert (info.name, info.registry, info.bucket) == (name, test_registry, target.packages)
    assert info.top_hash == seeds.top_hash(name) == body
    modified = datetime.fromisoformat(info.modified_date)
    assert modified.utcoffset() == UTC.utcoffset(None)
    assert modified.replace(microsecond=0) == written.replace(microsecond=0)
    assert info.description == seed["metadata"]["description"]
    assert info.tags == tuple(seed["metadata"]["tags"])
    assert info.message == seed["message"]
    observe("hash", info.top_hash)


@case(tier="critical", category="discovery", journey=JOURNEY)
def test_package_info_not_found(quilt_ops: quilt.QuiltOps, test_registry: str, backend: str) -> None:
    """The error for a missing package names the package and the registry that was searched."""
    with pytest.raises(quilt.NotFoundError) as caught:
        quilt_ops.get_package_info("nonexistent/package", test_registry)
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_package_info",
        "resource_type": "package",
        "identifier": "nonexistent/package",
        "search_location": test_registry,
    }


@case(tier="high", category="discovery", needs=("call_log",), journey=JOURNEY)
def test_package_info_invalid_name(
    quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, backend: str, call_log: CallLog
) -> None:
    """A valid name is answered; a name that no registry can contain is rejected before any request is sent."""
    good = "test-user/simple-csv"
    assert quilt_ops.get_package_info(good, test_registry).top_hash == seeds.top_hash(good)
    before = call_log.calls()
    assert before != []
    for name in BAD_NAMES:
        with pytest.raises(quilt.ValidationError) as caught:
            quilt_ops.get_package_info(name, test_registry)
        assert caught.type is quilt.ValidationError
        rule = caught.value.context["validation_rule"]
        assert PATTERN in rule
        assert caught.value.context == {
            "backend_type": backend,
            "operation": "get_package_info",
            "field_name": "package_name",
            "field_value": name,
            "validation_rule": rule,
        }
    assert call_log.calls() == before
