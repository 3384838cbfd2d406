"""Creating packages: entries by reference and by copy, what is written, and what is refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof import quilt
from nightproof.quilt import quilt3_entries

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from tests.nightproof.quilt.conftest import Versions

WORK: Final = "quilt-mcp-test-work"
REGISTRY: Final = f"s3://{WORK}"
TAKEN: Final = "package must not exist; use update_package_revision"


def manifest_of(s3: S3Client, top_hash: str) -> list[dict[str, Any]]:
    """Return the lines of a manifest."""
    body = s3.get_object(Bucket=WORK, Key=f".quilt/packages/{top_hash}")["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_a_package_by_reference_points_at_its_sources(
    ops: quilt.QuiltOps, backend: str, world: Any, s3: S3Client, sources: dict[str, str]
) -> None:
    """The result is complete, and the manifest has the version of every source object."""
    name = f"make/{backend}-reference"
    entries: list[dict[str, Any]] = [
        {"logical_key": "d/hello.txt", "physical_key": sources["hello.txt"], "meta": {"k": [1]}},
        {"logical_key": "loose.txt", "physical_key": sources["unversioned.txt"]},
    ]
    made = ops.create_package_revision(name, REGISTRY, entries, message="made", metadata={"a": 1})
    assert (made.package_name, made.registry, made.file_count, made.success) == (name, REGISTRY, 2, True)
    tree = f"{world.target.catalog_url}/b/{WORK}/packages/{name}/tree/{made.top_hash}"
    assert made.catalog_url == tree
    header, *lines = manifest_of(s3, made.top_hash)
    assert (header["message"], header["user_meta"]) == ("made", {"a": 1})
    version = s3.head_object(Bucket=WORK, Key="conform/hello.txt")["VersionId"]
    by_key = {line["logical_key"]: line for line in lines}
    assert by_key["d/hello.txt"]["physical_keys"] == [f"{sources['hello.txt']}?versionId={version}"]
    assert by_key["d/hello.txt"]["meta"]["user_meta"] == {"k": [1]}
    # S3 returns no version of an unversioned object: quilt3 then writes none, the catalog writes `null`.
    version = {"quilt3": "", "platform": "?versionId=null"}[backend]
    assert by_key["loose.txt"]["physical_keys"] == [f"{sources['unversioned.txt']}{version}"]


def test_both_backends_make_the_same_revision(
    instances: dict[str, quilt.QuiltOps], s3: S3Client, sources: dict[str, str]
) -> None:
    """The same input leads to the same top hash on both backends, and each reads the other's package."""
    entries: list[dict[str, Any]] = [
        {"logical_key": "a/b.txt", "physical_key": sources["empty.txt"]},
        {"logical_key": "a.txt", "physical_key": sources["hello.txt"], "meta": {"u": "\u00e4"}},
    ]
    made = {
        backend: ops.create_package_revision(f"make/{backend}-same", REGISTRY, entries, message="m", metadata={"z": 1})
        for backend, ops in instances.items()
    }
    assert made["quilt3"].top_hash == made["platform"].top_hash
    assert instances["platform"].get_package_info("make/quilt3-same", REGISTRY).message == "m"
    assert instances["quilt3"].get_package_info("make/platform-same", REGISTRY).message == "m"
    assert len(manifest_of(s3, made["quilt3"].top_hash)) == 3


@pytest.mark.parametrize("page", [2, 1000])
def test_many_objects_are_listed_and_mean_the_same(
    instances: dict[str, quilt.QuiltOps], s3: S3Client, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """From one page of objects on a listing replaces the HEAD requests, and it finds the same latest versions."""
    asked: list[str] = []
    lookup = quilt3_entries._located

    def counting(provider: Any, turn: Any, place: Any) -> Any:
        asked.append(place.path)
        return lookup(provider, turn, place)

    monkeypatch.setattr(quilt3_entries, "_located", counting)
    monkeypatch.setattr(quilt3_entries, "PER_PAGE", page)
    keys = [f"conform/listed-{page}/{letter}.txt" for letter in "abc"]
    for key in keys:
        s3.put_object(Bucket=WORK, Key=key, Body=b"old")
        s3.put_object(Bucket=WORK, Key=key, Body=key.encode())
    newest = {key: s3.head_object(Bucket=WORK, Key=key)["VersionId"] for key in keys}
    s3.delete_object(Bucket=WORK, Key=f"conform/listed-{page}/d.txt")  # a delete marker is not an object
    entries: list[dict[str, Any]] = [{"logical_key": key[-5:], "physical_key": f"s3://{WORK}/{key}"} for key in keys]
    ops = instances["quilt3"]
    made = ops.create_package_revision(f"make/listed-{page}", REGISTRY, entries)
    assert sorted(asked) == ([] if page == 2 else keys)
    assert [line["physical_keys"] for line in manifest_of(s3, made.top_hash)[1:]] == [
        [f"s3://{WORK}/{key}?versionId={newest[key]}"] for key in keys
    ]
    gone = {"logical_key": "d.txt", "physical_key": f"s3://{WORK}/conform/listed-{page}/d.txt"}
    with pytest.raises(quilt.NotFoundError) as caught:
        ops.create_package_revision(f"make/listed-{page}-gone", REGISTRY, [*entries, gone])
    assert caught.value.context["identifier"] == gone["physical_key"]


def test_a_version_may_be_named(ops: quilt.QuiltOps, backend: str, s3: S3Client) -> None:
    """`?versionId=` selects the version of the source object."""
    key = f"conform/{backend}-versioned.txt"
    old = s3.put_object(Bucket=WORK, Key=key, Body=b"old")["VersionId"]
    s3.put_object(Bucket=WORK, Key=key, Body=b"newer")
    entry = {"logical_key": "x", "physical_key": f"s3://{WORK}/{key}?versionId={old}"}
    ops.create_package_revision(f"make/{backend}-version", REGISTRY, [entry])
    (item,) = ops.browse_content(f"make/{backend}-version", REGISTRY)
    assert item.size == 3


def test_a_copied_package_owns_its_objects(
    ops: quilt.QuiltOps, backend: str, s3: S3Client, sources: dict[str, str]
) -> None:
    """copy=True stores the objects below the package's name, and the manifest points there."""
    name = f"make/{backend}-copy"
    entries = [{"logical_key": "d/hello.txt", "physical_key": sources["hello.txt"]}]
    made = ops.create_package_revision(name, REGISTRY, entries, copy=True)
    assert s3.get_object(Bucket=WORK, Key=f"{name}/d/hello.txt")["Body"].read() == b"hello"
    (line,) = manifest_of(s3, made.top_hash)[1:]
    assert line["physical_keys"][0].startswith(f"s3://{WORK}/{name}/d/hello.txt?versionId=")


def test_keys_are_organised_on_request(ops: quilt.QuiltOps, backend: str, sources: dict[str, str]) -> None:
    """With auto_organize the object's key is the path, unless a path is given."""
    name = f"make/{backend}-organised"
    given = {"physical_key": sources["world.txt"], "logical_key": "given.txt"}
    entries = [{"physical_key": sources["hello.txt"]}, given]
    ops.create_package_revision(name, REGISTRY, entries, auto_organize=True)
    assert [item.path for item in ops.browse_content(name, REGISTRY)] == ["conform/", "given.txt"]
    assert [item.path for item in ops.browse_content(name, REGISTRY, "conform")] == ["conform/hello.txt"]


def test_the_empty_package_is_legal(ops: quilt.QuiltOps, backend: str) -> None:
    """An empty list of entries creates a package without files, message or metadata."""
    name = f"make/{backend}-empty"
    made = ops.create_package_revision(name, REGISTRY, [])
    assert (made.file_count, made.success) == (0, True)
    assert ops.browse_content(name, REGISTRY) == []
    assert ops.get_package_info(name, REGISTRY).message is None
    assert ops.get_package_metadata(name, REGISTRY) == {}


def test_an_existing_package_is_refused_and_untouched(ops: quilt.QuiltOps, backend: str, versions: Versions) -> None:
    """Creating an existing package raises ValidationError of `package_name` and changes nothing."""
    before = ops.list_package_revisions(versions.name, REGISTRY)
    with pytest.raises(quilt.ValidationError, match=r"exists already\. Use update_package_revision") as caught:
        ops.create_package_revision(versions.name, REGISTRY, [], message="again")
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "field_name": "package_name",
        "field_value": versions.name,
        "validation_rule": TAKEN,
    }
    assert ops.list_package_revisions(versions.name, REGISTRY) == before


def test_of_concurrent_creations_the_losers_are_told_the_name(
    instances: dict[str, quilt.QuiltOps], world: Any, sources: dict[str, str]
) -> None:
    """Of concurrent creations one succeeds; every other one gets the error of a taken name."""
    ops = [world.make("platform") for _ in range(4)]
    entries = [{"logical_key": "x", "physical_key": sources["hello.txt"]}]

    def create(number: int) -> quilt.ValidationError | None:
        try:
            ops[number].create_package_revision("make/race", REGISTRY, entries, message=f"racer {number}")
        except quilt.ValidationError as error:
            return error
        return None

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(create, range(4)))
    losers = [error for error in results if error is not None]
    assert len(losers) == 3
    assert {(error.context["field_name"], error.context["field_value"]) for error in losers} == {
        ("package_name", "make/race")
    }
    assert {error.context["validation_rule"] for error in losers} == {TAKEN}
    assert len(instances["platform"].list_package_revisions("make/race", REGISTRY)) == 1


def test_a_missing_source_is_not_found_and_nothing_is_made(ops: quilt.QuiltOps, backend: str) -> None:
    """A missing source object raises NotFoundError of a file, and no package is created."""
    uri = f"s3://{WORK}/conform/no-such-object.txt"
    with pytest.raises(quilt.NotFoundError, match=r"no-such-object\.txt` does not exist") as caught:
        ops.create_package_revision(f"make/{backend}-gone", REGISTRY, [{"logical_key": "x", "physical_key": uri}])
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "resource_type": "file",
        "identifier": uri,
        "search_location": f"s3://{WORK}",
    }
    with pytest.raises(quilt.NotFoundError):
        ops.get_package_info(f"make/{backend}-gone", REGISTRY)


def test_a_bucket_that_does_not_exist_takes_no_package(ops: quilt.QuiltOps, backend: str) -> None:
    """Creating in a missing bucket raises NotFoundError of the bucket."""
    with pytest.raises(quilt.NotFoundError, match="The bucket `no-such-bucket-np` does not exist") as caught:
        ops.create_package_revision("make/nowhere", "s3://no-such-bucket-np", [])
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "resource_type": "bucket",
        "identifier": "no-such-bucket-np",
        "search_location": "s3://no-such-bucket-np",
    }


def test_a_workflow_that_is_not_configured_is_refused(ops: quilt.QuiltOps, backend: str) -> None:
    """An unknown workflow raises ValidationError of `workflow`, and no package is created."""
    name = f"make/{backend}-workflow"
    with pytest.raises(quilt.ValidationError, match="workflow `reviewed`") as caught:
        ops.create_package_revision(name, REGISTRY, [], workflow="reviewed")
    context = caught.value.context
    assert (context["field_name"], context["field_value"]) == ("workflow", "reviewed")
    assert set(context) == {"backend_type", "operation", "field_name", "field_value", "validation_rule"}
    assert context["validation_rule"] == "a workflow that the registry has and the package satisfies"
    assert ".." not in caught.value.message
    with pytest.raises(quilt.NotFoundError):
        ops.get_package_info(name, REGISTRY)


def test_a_role_that_may_only_read_makes_nothing(world: Any, backend: str, sources: dict[str, str]) -> None:
    """Creating as a readonly user raises PermissionError with the missing right."""
    ops = world.make(backend, "test-readonly")
    data = "quilt-mcp-test-data"
    with pytest.raises(quilt.PermissionError) as caught:
        ops.create_package_revision("make/refused", f"s3://{data}", [])
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "required_permissions": [f"s3:write:{data}"],
        "user_role": "viewer",
        "access_level": "read",
    }
    assert sources
