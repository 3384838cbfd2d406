"""Changing packages: updates, deletions and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from tests.nightproof.quilt.conftest import Versions
    from tests.nightproof.quilt.conftest import World

WORK: Final = "quilt-mcp-test-work"
REGISTRY: Final = f"s3://{WORK}"


@pytest.fixture
def package(ops: quilt.QuiltOps, backend: str, request: pytest.FixtureRequest, sources: dict[str, str]) -> str:
    """Create a package of two files with metadata; return its name."""
    name = f"change/{backend}-{request.node.originalname}"
    entries: list[dict[str, Any]] = [
        {"logical_key": "a.txt", "physical_key": sources["hello.txt"], "meta": {"kept": True}},
        {"logical_key": "d/b.txt", "physical_key": sources["world.txt"]},
    ]
    ops.create_package_revision(name, REGISTRY, entries, message="first", metadata={"keep": 1, "tags": ["x"]})
    return name


def test_an_update_replaces_the_entries(ops: quilt.QuiltOps, package: str, sources: dict[str, str]) -> None:
    """The new revision has only the given entries; the old revision and the metadata are unchanged."""
    old = ops.get_package_info(package, REGISTRY).top_hash
    made = ops.update_package_revision(
        package, REGISTRY, [{"logical_key": "new.txt", "physical_key": sources["empty.txt"]}], message="second"
    )
    assert (made.file_count, made.top_hash == old) == (1, False)
    assert [item.path for item in ops.browse_content(package, REGISTRY)] == ["new.txt"]
    assert [item.path for item in ops.browse_content(package, REGISTRY, top_hash=old)] == ["d/", "a.txt"]
    assert ops.get_package_info(package, REGISTRY).message == "second"
    assert ops.get_package_metadata(package, REGISTRY) == {"keep": 1, "tags": ["x"]}


def test_an_update_without_entries_keeps_them_and_merges_metadata(ops: quilt.QuiltOps, package: str) -> None:
    """Without entries, an update keeps the files with their metadata and merges the package's by key."""
    before = ops.browse_content(package, REGISTRY)
    made = ops.update_package_revision(package, REGISTRY, metadata={"tags": ["y"], "more": None})
    assert made.file_count == 2
    assert ops.get_package_metadata(package, REGISTRY) == {"keep": 1, "tags": ["y"], "more": None}
    after = ops.browse_content(package, REGISTRY)
    assert [(item.path, item.size, item.meta) for item in after] == [(i.path, i.size, i.meta) for i in before]
    assert after[1].meta == {"kept": True}


def test_an_update_by_copy_owns_its_objects(
    ops: quilt.QuiltOps, package: str, s3: S3Client, sources: dict[str, str]
) -> None:
    """copy=True stores the objects below the package's name."""
    entries = [{"logical_key": "own.txt", "physical_key": sources["world.txt"]}]
    ops.update_package_revision(package, REGISTRY, entries, copy=True)
    assert s3.get_object(Bucket=WORK, Key=f"{package}/own.txt")["Body"].read() == b"world!"


def test_an_update_to_nothing_empties_the_package(ops: quilt.QuiltOps, package: str) -> None:
    """An update with an empty list of entries leaves a package without files."""
    assert ops.update_package_revision(package, REGISTRY, []).file_count == 0
    assert ops.browse_content(package, REGISTRY) == []


def test_a_package_without_metadata_may_get_some(ops: quilt.QuiltOps, backend: str) -> None:
    """An update can add the first metadata, and an update without arguments changes nothing."""
    name = f"change/{backend}-bare"
    made = ops.create_package_revision(name, REGISTRY, [])
    assert ops.update_package_revision(name, REGISTRY).top_hash == made.top_hash
    ops.update_package_revision(name, REGISTRY, metadata={"a": 1})
    assert ops.get_package_metadata(name, REGISTRY) == {"a": 1}


def test_what_does_not_exist_is_not_updated(ops: quilt.QuiltOps, backend: str) -> None:
    """Updating a missing package raises NotFoundError with the remedy and creates nothing."""
    with pytest.raises(quilt.NotFoundError, match="Use create_package_revision") as caught:
        ops.update_package_revision("change/nobody", REGISTRY, [])
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "update_package_revision",
        "resource_type": "package",
        "identifier": "change/nobody",
        "search_location": REGISTRY,
    }
    assert "change/nobody" not in ops.list_all_packages(REGISTRY)


def test_a_deleted_package_is_gone(ops: quilt.QuiltOps, package: str) -> None:
    """Every revision is deleted, and a second deletion raises NotFoundError."""
    ops.update_package_revision(package, REGISTRY, [])
    ops.delete_package(package, REGISTRY)
    assert package not in ops.list_all_packages(REGISTRY)
    with pytest.raises(quilt.NotFoundError) as caught:
        ops.delete_package(package, REGISTRY)
    assert (caught.value.context["operation"], caught.value.context["identifier"]) == ("delete_package", package)


def test_a_deleted_revision_leaves_the_others(ops: quilt.QuiltOps, package: str, s3: S3Client) -> None:
    """With a hash only that revision is deleted, and `latest` becomes the newest of the rest."""
    first = ops.get_package_info(package, REGISTRY).top_hash
    prefix = f".quilt/named_packages/{package}/"
    s3.put_object(Bucket=WORK, Key=f"{prefix}1700000000", Body=first.encode())
    second = ops.update_package_revision(package, REGISTRY, []).top_hash
    ops.delete_package(package, REGISTRY, second)
    assert ops.get_package_info(package, REGISTRY).top_hash == first
    assert {item.top_hash for item in ops.list_package_revisions(package, REGISTRY)} == {first}
    ops.delete_package(package, REGISTRY, first[:12])
    with pytest.raises(quilt.NotFoundError):
        ops.get_package_info(package, REGISTRY)


def test_who_may_only_read_changes_nothing(world: World, backend: str) -> None:
    """Update and deletion by a reader raise PermissionError with the missing right to write."""
    ops = world.make(backend, "test-readonly")
    calls: dict[str, tuple[Any, ...]] = {"update_package_revision": ([],), "delete_package": ()}
    for operation, arguments in calls.items():
        with pytest.raises(quilt.PermissionError) as caught:
            getattr(ops, operation)("a/b", REGISTRY, *arguments)
        assert caught.value.context == {
            "backend_type": backend,
            "operation": operation,
            "required_permissions": [f"s3:write:{WORK}"],
            "user_role": "viewer",
            "access_level": "none",
        }


def test_a_difference_names_what_changed(ops: quilt.QuiltOps, versions: Versions) -> None:
    """Added and removed files swap with the arguments; the default is the latest revision of each."""
    name = versions.name
    forward = ops.diff_packages(name, name, REGISTRY, versions.first, versions.second)
    assert forward == {"added": ["added.txt"], "removed": ["removed.txt"], "modified": ["changed.txt"]}
    backward = ops.diff_packages(name, name, REGISTRY, None, versions.first)
    assert backward == {"added": ["removed.txt"], "removed": ["added.txt"], "modified": ["changed.txt"]}
    assert ops.diff_packages(name, name, REGISTRY) == {"added": [], "removed": [], "modified": []}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("x", "a/b", REGISTRY), "package1_name"),
        (("a/b", "x", REGISTRY), "package2_name"),
        (("a/b", "a/b", "bucket"), "registry"),
        (("a/b", "a/b", REGISTRY, "abc"), "package1_hash"),
        (("a/b", "a/b", REGISTRY, None, ["a"]), "package2_hash"),
    ],
)
def test_a_difference_checks_its_arguments(ops: quilt.QuiltOps, arguments: tuple[Any, ...], field: str) -> None:
    """A bad argument is named as the caller passed it."""
    with pytest.raises(quilt.ValidationError) as caught:
        ops.diff_packages(*arguments)
    assert caught.value.context["field_name"] == field


def test_a_difference_needs_both_sides(ops: quilt.QuiltOps, versions: Versions) -> None:
    """A missing revision or package raises NotFoundError with its name, and its hash if given."""
    with pytest.raises(quilt.NotFoundError) as caught:
        ops.diff_packages(versions.name, versions.name, REGISTRY, "0" * 64)
    assert caught.value.context["identifier"] == f"{versions.name}@{'0' * 64}"
    with pytest.raises(quilt.NotFoundError) as caught:
        ops.diff_packages(versions.name, "change/nobody", REGISTRY)
    assert caught.value.context["identifier"] == "change/nobody"
