"""Finding packages: both backends return the same listings, searches, descriptions, metadata and revisions."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Final

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from tests.nightproof.quilt.conftest import Versions

WORK: Final = "quilt-mcp-test-work"
REGISTRY: Final = f"s3://{WORK}"
FIRST_MOMENT: Final = "2023-11-14T22:13:20+00:00"
UNKNOWN_HASH: Final = "0123456789abcdef" * 4


def latest_time(s3: S3Client, name: str) -> str:
    """Return the time of a package's `latest` pointer as S3 has it."""
    found = s3.head_object(Bucket=WORK, Key=f".quilt/named_packages/{name}/latest")["LastModified"]
    return found.astimezone(UTC).isoformat()


def test_names_are_listed_in_order(ops: quilt.QuiltOps, tree: str, versions: Versions) -> None:
    """Every package of a registry is listed once, in ascending order."""
    names = ops.list_all_packages(REGISTRY)
    assert {tree, versions.name} <= set(names)
    assert names == sorted(set(names))


def test_a_trailing_slash_of_the_registry_is_taken_away(ops: quilt.QuiltOps, tree: str) -> None:
    """`s3://bucket/` is the same registry as `s3://bucket`."""
    assert ops.get_package_info(tree, f"{REGISTRY}/").registry == REGISTRY


def test_an_empty_registry_lists_nothing(ops: quilt.QuiltOps) -> None:
    """A readable bucket without packages returns an empty list, not an error."""
    assert ops.list_all_packages("s3://quilt-mcp-test-west") == []


def test_a_bucket_that_does_not_exist_has_no_packages(ops: quilt.QuiltOps, backend: str) -> None:
    """Listing a missing bucket raises NotFoundError of the bucket."""
    with pytest.raises(quilt.NotFoundError, match=r"^The bucket `no-such-bucket-np` does not exist") as caught:
        ops.list_all_packages("s3://no-such-bucket-np")
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "list_all_packages",
        "resource_type": "bucket",
        "identifier": "no-such-bucket-np",
        "search_location": "s3://no-such-bucket-np",
    }


def test_info_describes_the_latest_revision(ops: quilt.QuiltOps, s3: S3Client, tree: str) -> None:
    """Package_Info has name, description, tags, hash, message and the time of the `latest` pointer."""
    body = s3.get_object(Bucket=WORK, Key=f".quilt/named_packages/{tree}/latest")["Body"].read().decode()
    info = ops.get_package_info(tree, REGISTRY)
    assert (info.name, info.description, info.tags, info.message) == (tree, "five files", ("t1", "t2"), "five")
    assert (info.registry, info.bucket, info.top_hash) == (REGISTRY, WORK, body)
    assert info.modified_date == latest_time(s3, tree)


def test_info_of_an_old_revision_keeps_the_time_of_the_package(
    ops: quilt.QuiltOps, s3: S3Client, versions: Versions
) -> None:
    """Hash and message are the old revision's; `modified_date` is that of `latest`."""
    info = ops.get_package_info(versions.name, REGISTRY, versions.first)
    assert (info.top_hash, info.message) == (versions.first, "first")
    assert info.modified_date == latest_time(s3, versions.name)


@pytest.mark.parametrize("length", [6, 63])
def test_a_hash_prefix_names_its_revision(ops: quilt.QuiltOps, versions: Versions, length: int) -> None:
    """A prefix of at least 6 digits selects the only revision that begins with it."""
    assert ops.get_package_info(versions.name, REGISTRY, versions.first[:length]).top_hash == versions.first


def test_latest_is_a_name_for_the_newest_revision(ops: quilt.QuiltOps, versions: Versions) -> None:
    """`latest` and None both select the newest revision."""
    named = ops.get_package_info(versions.name, REGISTRY, "latest")
    assert named == ops.get_package_info(versions.name, REGISTRY)
    assert named.top_hash == versions.second


def test_metadata_is_the_user_metadata(ops: quilt.QuiltOps, tree: str, versions: Versions) -> None:
    """The user metadata is returned in full, or `{}` if a package has none."""
    expected = {"description": "five files", "tags": ["t1", "t2"], "nested": {"a": [1, None]}}
    assert ops.get_package_metadata(tree, REGISTRY) == expected
    assert ops.get_package_metadata(versions.name, REGISTRY, versions.first) == {}


def test_revisions_come_newest_first_with_the_time_of_their_pointer(ops: quilt.QuiltOps, versions: Versions) -> None:
    """Revisions come newest first; their time is the second in their pointer's name, whatever the pointer's own age."""
    newest, oldest = ops.list_package_revisions(versions.name, REGISTRY)
    assert (newest.top_hash, newest.message) == (versions.second, "second")
    assert (oldest.top_hash, oldest.message) == (versions.first, "first")
    assert oldest.modified_date == FIRST_MOMENT
    assert datetime.fromisoformat(newest.modified_date) > datetime.fromisoformat(FIRST_MOMENT)


def test_both_backends_give_the_same_records(
    instances: dict[str, quilt.QuiltOps], tree: str, versions: Versions
) -> None:
    """Both backends return equal names, infos and revisions."""
    one, other = instances["quilt3"], instances["platform"]
    assert one.list_all_packages(REGISTRY) == other.list_all_packages(REGISTRY)
    assert one.get_package_info(tree, REGISTRY) == other.get_package_info(tree, REGISTRY)
    arguments = (versions.name, REGISTRY)
    assert one.list_package_revisions(*arguments) == other.list_package_revisions(*arguments)
    assert one.get_package_info(*arguments, versions.first) == other.get_package_info(*arguments, versions.first)


@pytest.mark.parametrize("method", ["get_package_info", "get_package_metadata", "list_package_revisions"])
def test_a_missing_package_is_not_found(ops: quilt.QuiltOps, backend: str, method: str) -> None:
    """Reading a package that does not exist raises NotFoundError of the package."""
    with pytest.raises(quilt.NotFoundError, match=r"^The package `conform/nobody` does not exist") as caught:
        getattr(ops, method)("conform/nobody", REGISTRY)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": method,
        "resource_type": "package",
        "identifier": "conform/nobody",
        "search_location": REGISTRY,
    }


@pytest.mark.parametrize("method", ["get_package_info", "get_package_metadata", "browse_content"])
def test_an_unknown_hash_is_not_found(ops: quilt.QuiltOps, versions: Versions, method: str) -> None:
    """An unknown but well-formed hash raises NotFoundError of `<name>@<hash>`."""
    with pytest.raises(quilt.NotFoundError, match="does not exist") as caught:
        getattr(ops, method)(versions.name, REGISTRY, top_hash=UNKNOWN_HASH)
    assert caught.value.context["identifier"] == f"{versions.name}@{UNKNOWN_HASH}"
    assert caught.value.context["resource_type"] == "package"


def test_search_finds_by_any_term_whatever_its_case(ops: quilt.QuiltOps, tree: str, versions: Versions) -> None:
    """Terms are joined by OR and match names, messages and metadata in any case."""
    assert [hit.name for hit in ops.search_packages("FIVE", REGISTRY)] == [tree]
    either = {hit.name for hit in ops.search_packages("five second", REGISTRY)}
    assert {tree, versions.name} <= either


def test_a_search_hit_describes_its_package(ops: quilt.QuiltOps, tree: str) -> None:
    """A search hit equals the result of get_package_info."""
    (hit,) = ops.search_packages("five files", REGISTRY)[:1]
    assert hit == ops.get_package_info(tree, REGISTRY)


def test_a_star_finds_everything_newest_first(ops: quilt.QuiltOps, tree: str, versions: Versions) -> None:
    """`*` returns every package once, newest first."""
    hits = ops.search_packages("*", REGISTRY)
    names = [hit.name for hit in hits]
    assert {tree, versions.name} <= set(names)
    assert len(names) == len(set(names))
    assert [hit.modified_date for hit in hits] == sorted((hit.modified_date for hit in hits), reverse=True)


def test_a_search_without_a_hit_is_empty(ops: quilt.QuiltOps) -> None:
    """A search without a hit returns an empty list, not an error."""
    assert ops.search_packages("qqqqzzzz-no-such-word", REGISTRY) == []
