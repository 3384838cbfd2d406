from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

POINTERS = ".quilt/named_packages/"
REVISION = 'query Revision($name: String!, $at: String!) { package(bucket: "quilt-mcp-test-work", name: $name) {'
REVISION += " name revision(hashOrTag: $at) { hash message modified } } }"
DELETE = "mutation Delete($name: String!, $hash: String!) {"
DELETE += ' packageRevisionDelete(bucket: "quilt-mcp-test-work", name: $name, hash: $hash) {'
DELETE += " __typename ... on OperationError { name message } } }"


def body_of(catalog: Calling, key: str) -> str:
    """Return the text of an object in the work registry."""
    return catalog.s3.get_object(Bucket=WORK, Key=key)["Body"].read().decode()


def keys_of(catalog: Calling, prefix: str) -> list[str]:
    """Return the keys below a prefix of the work registry."""
    listed = catalog.s3.list_objects_v2(Bucket=WORK, Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


def point(catalog: Calling, name: str, **tags: str) -> None:
    """Write pointers as a push does. Keyword `at<seconds>` or `latest` names the pointer, its value is the hash."""
    for tag, top_hash in tags.items():
        catalog.s3.put_object(Bucket=WORK, Key=f"{POINTERS}{name}/{tag.removeprefix('at')}", Body=top_hash.encode())


def revision(catalog: Calling, name: str, at: str) -> Any:
    """Return one revision of a package in the work registry."""
    return catalog.data(REVISION, {"name": name, "at": at})["package"]["revision"]


def two_revisions(catalog: Calling, name: str) -> tuple[str, str]:
    """Create a package with two revisions a year apart and return the older and the newer hash."""
    old = catalog.package(name, {"a.txt": b"old"}, message="old")
    new = catalog.package(name, {"a.txt": b"new"}, message="new")
    for key in keys_of(catalog, f"{POINTERS}{name}/"):
        catalog.s3.delete_object(Bucket=WORK, Key=key)
    point(catalog, name, at1700000000=old, at1731536000=new, latest=new)
    return old, new


def test_a_revision_is_stored_as_a_push_stores_it(catalog: Calling) -> None:
    """A revision is a manifest named by its hash, a pointer named by its second, and `latest`.

    Pointers have no trailing newline.
    """
    top_hash = catalog.package("registry/layout", {"a.txt": b"x"}, message="first")
    pointers = keys_of(catalog, f"{POINTERS}registry/layout/")
    assert len(pointers) == 2
    assert pointers[1].endswith("/latest")
    assert pointers[0].rsplit("/", 1)[1].isdigit()
    assert [body_of(catalog, key) for key in pointers] == [top_hash, top_hash]
    assert body_of(catalog, f".quilt/packages/{top_hash}").startswith('{"version": "v0", "message": "first"')


@pytest.mark.parametrize("length", [64, 63, 6])
def test_a_revision_is_found_by_its_hash_or_a_prefix(catalog: Calling, length: int) -> None:
    """A revision is found by its hash or by a unique prefix of at least six characters."""
    old, _ = two_revisions(catalog, f"registry/by-hash-{length}")
    assert revision(catalog, f"registry/by-hash-{length}", old[:length])["hash"] == old


def test_latest_and_a_second_name_their_revisions(catalog: Calling) -> None:
    """A revision's time is its pointer's name, the second by which it is found.

    `latest` carries the time of its writing.
    """
    old, new = two_revisions(catalog, "registry/by-tag")
    assert revision(catalog, "registry/by-tag", "latest")["hash"] == new
    found = revision(catalog, "registry/by-tag", "1700000000")
    assert (found["hash"], found["modified"]) == (old, "2023-11-14T22:13:20+00:00")


@pytest.mark.parametrize("at", ["0" * 64, "abc", "12345", "1600000000", "nothex-nothex", "", "ABCDEF" * 11])
def test_an_unknown_revision_is_null(catalog: Calling, at: str) -> None:
    """An unknown revision of an existing package is null."""
    two_revisions(catalog, "registry/unknown")
    package = catalog.data(REVISION, {"name": "registry/unknown", "at": at})["package"]
    assert package == {"name": "registry/unknown", "revision": None}


def test_an_ambiguous_prefix_is_null(catalog: Calling) -> None:
    """A hash prefix of two manifests yields null."""
    two_revisions(catalog, "registry/ambiguous")
    for tail in ("1", "2"):
        catalog.s3.put_object(Bucket=WORK, Key=f".quilt/packages/{'fee1dead' * 8}"[:-1] + tail, Body=b"{}")
    assert revision(catalog, "registry/ambiguous", "fee1dead") is None


def test_a_pointer_with_a_newline_still_names_its_hash(catalog: Calling) -> None:
    """A trailing newline in a pointer, as other writers leave it, is not part of the hash."""
    old, _ = two_revisions(catalog, "registry/newline")
    point(catalog, "registry/newline", at1700000001=old + "\n", latest=old + "\n")
    assert revision(catalog, "registry/newline", "latest")["hash"] == old
    assert revision(catalog, "registry/newline", "1700000001")["hash"] == old


def test_a_pointer_to_a_missing_manifest_is_no_revision(catalog: Calling) -> None:
    """A pointer to a missing manifest yields null, not an error."""
    point(catalog, "registry/dangling", latest="1" * 64)
    assert revision(catalog, "registry/dangling", "latest") is None


def test_deleting_a_revision_leaves_the_other_and_moves_latest(catalog: Calling) -> None:
    """After the latest revision is deleted, `latest` is the newest one left."""
    old, new = two_revisions(catalog, "registry/delete")
    answer = catalog.data(DELETE, {"name": "registry/delete", "hash": new})["packageRevisionDelete"]
    assert answer == {"__typename": "PackageRevisionDeleteSuccess"}
    assert revision(catalog, "registry/delete", "latest")["hash"] == old
    assert keys_of(catalog, f"{POINTERS}registry/delete/") == [
        f"{POINTERS}registry/delete/1700000000",
        f"{POINTERS}registry/delete/latest",
    ]


def test_deleting_an_older_revision_leaves_latest(catalog: Calling) -> None:
    """Deleting an older revision deletes the pointers with its hash and leaves `latest`."""
    old, new = two_revisions(catalog, "registry/delete-old")
    catalog.data(DELETE, {"name": "registry/delete-old", "hash": old})
    assert revision(catalog, "registry/delete-old", "latest")["hash"] == new
    assert revision(catalog, "registry/delete-old", "1700000000") is None


def test_deleting_the_last_revision_deletes_the_package(catalog: Calling) -> None:
    """Deleting the last revision deletes all pointers and keeps the manifest."""
    top_hash = catalog.package("registry/delete-last", {"a": b"1"})
    catalog.data(DELETE, {"name": "registry/delete-last", "hash": top_hash})
    assert keys_of(catalog, f"{POINTERS}registry/delete-last/") == []
    assert keys_of(catalog, f".quilt/packages/{top_hash}") == [f".quilt/packages/{top_hash}"]
    assert catalog.data(REVISION, {"name": "registry/delete-last", "at": "latest"}) == {"package": None}


@pytest.mark.parametrize(("name", "top_hash"), [("registry/kept", "0" * 64), ("registry/never", "0" * 64)])
def test_deleting_what_is_not_there_is_an_operation_error(catalog: Calling, name: str, top_hash: str) -> None:
    """Deleting an unknown revision, also of an unknown package, is the OperationError `RevisionNotFound`."""
    catalog.package("registry/kept", {"a": b"1"})
    answer = catalog.data(DELETE, {"name": name, "hash": top_hash})["packageRevisionDelete"]
    assert (answer["__typename"], answer["name"]) == ("OperationError", "RevisionNotFound")


def test_exclusive_creation_lets_exactly_one_in(catalog: Calling) -> None:
    """Of concurrent creations with If-None-Match one succeeds, and the others get `PackageExists`."""
    uri = catalog.put_object("registry/exclusive", b"1")

    def create(number: int) -> Any:
        only: dict[str, Any] = {"headers": {"if_none_match": "*"}, "message": str(number)}
        return catalog.construct("registry/exclusive", {"a": uri}, **only)

    with ThreadPoolExecutor(6) as pool:
        arms = list(pool.map(create, range(6)))
    kinds = sorted(arm["__typename"] for arm in arms)
    assert kinds == ["InvalidInput"] * 5 + ["PackagePushSuccess"]
    errors = [error for arm in arms if "errors" in arm for error in arm["errors"]]
    assert {(error["path"], error["name"]) for error in errors} == {("params.name", "PackageExists")}


def test_an_update_of_a_changed_package_conflicts(catalog: Calling) -> None:
    """An update whose If-Match is not the latest hash is the OperationError `RevisionConflict`."""
    first = catalog.package("registry/match", {"a": b"1"})
    uri = catalog.put_object("registry/match/b", b"2")
    good = catalog.construct("registry/match", {"a": uri}, headers={"if_match": f'"{first}"'})
    assert good["__typename"] == "PackagePushSuccess"
    late = catalog.construct("registry/match", {"a": uri}, headers={"if_match": first})
    assert (late["__typename"], late["name"]) == ("OperationError", "RevisionConflict")
    missing = catalog.construct("registry/match-none", {"a": uri}, headers={"if_match": first})
    assert (missing["__typename"], missing["name"]) == ("OperationError", "RevisionConflict")
    assert revision(catalog, "registry/match", "latest")["hash"] == good["revision"]["hash"]
