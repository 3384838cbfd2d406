"""Deletions: they delete what was named, and no empty value, keyword or prefix makes them delete more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

WORK: Final = "quilt-mcp-test-work"
REGISTRY: Final = f"s3://{WORK}"
LONG_AGO: Final = 1_700_000_000


@dataclass(frozen=True)
class Package:
    """A package of two revisions, the first from long ago."""

    name: str
    first: str
    second: str

    @property
    def prefix(self) -> str:
        """Return the prefix of the package's pointers."""
        return f".quilt/named_packages/{self.name}/"


@pytest.fixture
def package(ops: quilt.QuiltOps, backend: str, request: pytest.FixtureRequest, s3: S3Client) -> Package:
    """Create a package of two revisions."""
    name = f"delete/{backend}-{request.node.originalname}"
    first = ops.create_package_revision(name, REGISTRY, [], metadata={"name": name}).top_hash
    s3.put_object(Bucket=WORK, Key=f".quilt/named_packages/{name}/{LONG_AGO}", Body=first.encode())
    return Package(name, first, ops.update_package_revision(name, REGISTRY, [], metadata={"n": 2}).top_hash)


def hashes(ops: quilt.QuiltOps, name: str) -> set[str]:
    """Return the hashes of a package's revisions."""
    return {item.top_hash for item in ops.list_package_revisions(name, REGISTRY)}


def missing(ops: quilt.QuiltOps, name: str, *top_hash: str) -> dict[str, Any]:
    """Delete something that does not exist; return the context of the error."""
    with pytest.raises(quilt.NotFoundError) as caught:
        ops.delete_package(name, REGISTRY, *top_hash)
    return caught.value.context


def test_latest_is_one_revision(ops: quilt.QuiltOps, package: Package) -> None:
    """`latest` deletes only the newest revision, and the one before becomes the latest."""
    ops.delete_package(package.name, REGISTRY, top_hash="latest")
    assert hashes(ops, package.name) == {package.first}
    assert ops.get_package_info(package.name, REGISTRY).top_hash == package.first


def test_no_hash_is_every_revision(ops: quilt.QuiltOps, package: Package, s3: S3Client) -> None:
    """None deletes every revision of the package, and no package whose name only begins with that name."""
    neighbour = f"{package.name}-more"
    ops.create_package_revision(neighbour, REGISTRY, [])
    ops.delete_package(package.name, REGISTRY, top_hash=None)
    assert s3.list_objects_v2(Bucket=WORK, Prefix=package.prefix)["KeyCount"] == 0
    assert len(hashes(ops, neighbour)) == 1


def test_what_is_no_hash_takes_nothing(ops: quilt.QuiltOps, package: Package) -> None:
    """An empty or malformed hash is refused and never means every revision."""
    values: list[Any] = ["", "*", "abc12", "LATEST", " latest", 0, False, [], "z" * 64]
    for value in values:
        with pytest.raises(quilt.ValidationError) as caught:
            ops.delete_package(package.name, REGISTRY, top_hash=value)
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("top_hash", value)
    assert hashes(ops, package.name) == {package.first, package.second}


def test_a_deleted_revision_is_not_there_to_delete(ops: quilt.QuiltOps, backend: str, package: Package) -> None:
    """A second deletion raises NotFoundError with the hash as given, although the manifest still exists."""
    ops.delete_package(package.name, REGISTRY, package.second)
    for given in (package.second, package.second[:12]):
        assert missing(ops, package.name, given) == {
            "backend_type": backend,
            "operation": "delete_package",
            "resource_type": "package",
            "identifier": f"{package.name}@{given}",
            "search_location": REGISTRY,
        }
    assert hashes(ops, package.name) == {package.first}


def test_a_revision_of_another_package_is_not_deleted(ops: quilt.QuiltOps, package: Package) -> None:
    """A hash of another package in the same registry is not found and deletes nothing."""
    other = f"{package.name}-other"
    theirs = ops.create_package_revision(other, REGISTRY, [], message="theirs").top_hash
    assert missing(ops, package.name, theirs)["identifier"] == f"{package.name}@{theirs}"
    assert hashes(ops, other) == {theirs}
    assert hashes(ops, package.name) == {package.first, package.second}


def test_a_time_is_no_hash(ops: quilt.QuiltOps, package: Package) -> None:
    """Digits are read as a hash on both backends, although the catalog would read them as a time."""
    assert missing(ops, package.name, str(LONG_AGO))["identifier"] == f"{package.name}@{LONG_AGO}"
    assert hashes(ops, package.name) == {package.first, package.second}
    with pytest.raises(quilt.NotFoundError):
        ops.get_package_info(package.name, REGISTRY, str(LONG_AGO))


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_configuration_removes_nothing(governor: quilt.QuiltOps, text: str) -> None:
    """An empty configuration is refused before it is sent, because the API would treat it as a removal."""
    calls: dict[str, Callable[[], object]] = {
        "update_tabulator_table": lambda: governor.update_tabulator_table(WORK, "any", text),
        "admin.set_sso_config": lambda: governor.admin.set_sso_config(text),
    }
    for operation, call in calls.items():
        with pytest.raises(quilt.ValidationError) as caught:
            call()
        assert (caught.value.context["operation"], caught.value.context["field_name"]) == (operation, "config")
