"""Metadata that a manifest cannot hold, and manifests by other tools: both backends behave the same."""

from __future__ import annotations

import hashlib
import json
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
LIMIT: Final = 1_000_000
NO_JSON: Final[dict[str, Any]] = {
    "nan": float("nan"),
    "infinity": [1, {"deep": float("-inf")}],
    "set": {1, 2},
    "bytes": b"raw",
    "object": object(),
    "half a character": "\ud800",
    "number as key": {1: "one"},
}


@pytest.fixture
def name(backend: str, request: pytest.FixtureRequest) -> str:
    """Return the name of a package for this test."""
    return f"meta/{backend}-{request.node.originalname}"


def refusal(act: Callable[[], object]) -> dict[str, Any]:
    """Return the context of the ValidationError of a call."""
    with pytest.raises(quilt.ValidationError) as caught:
        act()
    return caught.value.context


@pytest.mark.parametrize("operation", ["create_package_revision", "update_package_revision"])
def test_what_json_cannot_hold_is_refused(ops: quilt.QuiltOps, name: str, operation: str, backend: str) -> None:
    """Metadata that is not JSON is refused with its argument and value, for packages and entries."""
    write = getattr(ops, operation)
    rule = "what JSON can hold: no bytes, sets, NaN or infinity, and only text as keys"
    known = {"backend_type": backend, "operation": operation, "validation_rule": rule}
    for value in NO_JSON.values():
        metadata = {"x": value}
        found = refusal(lambda metadata=metadata: write(name, REGISTRY, [], metadata=metadata))  # type: ignore[misc]
        assert found == known | {"field_name": "metadata", "field_value": metadata}
        entries = [{"logical_key": "a", "physical_key": "s3://bucket/a", "meta": metadata}]
        found = refusal(lambda entries=entries: write(name, REGISTRY, entries))  # type: ignore[misc]
        assert found == known | {"field_name": "meta", "field_value": metadata, "index": 0}
    assert name not in ops.list_all_packages(REGISTRY)


def test_a_record_has_its_limit(ops: quilt.QuiltOps, name: str, sources: dict[str, str]) -> None:
    """An overlong manifest line is refused with the argument that causes it: metadata, entry metadata or message."""
    large = {"text": "\u00e9" * (LIMIT // 2)}
    entry = {"logical_key": "a", "physical_key": sources["hello.txt"], "meta": large}
    create = ops.create_package_revision
    assert refusal(lambda: create(name, REGISTRY, [], metadata=large))["field_name"] == "metadata"
    assert refusal(lambda: create(name, REGISTRY, [], message="x" * LIMIT))["field_name"] == "message"
    found = refusal(lambda: create(name, REGISTRY, [entry]))
    assert (found["field_name"], found["index"], "1,000,000 bytes" in found["validation_rule"]) == ("meta", 0, True)
    made = create(name, REGISTRY, [], metadata={"text": "x" * (LIMIT - 200)})
    assert ops.get_package_metadata(name, REGISTRY, made.top_hash) == {"text": "x" * (LIMIT - 200)}
    merged = refusal(lambda: ops.update_package_revision(name, REGISTRY, metadata={"more": "x" * 200}))
    assert merged["field_name"] == "metadata"
    assert ops.get_package_info(name, REGISTRY).top_hash == made.top_hash


def test_variables_are_json(ops: quilt.QuiltOps) -> None:
    """GraphQL variables that are not JSON are refused as an argument, not as an unreachable server."""
    found = refusal(lambda: ops.execute_graphql_query("query Q { me { name } }", {"x": float("nan")}))
    assert found["field_name"] == "variables"


def foreign(s3: S3Client, name: str, header: dict[str, Any], *lines: dict[str, Any]) -> str:
    """Write a manifest and its pointers as another tool might; return the manifest's hash."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in ({"version": "v0", "message": None} | header, *lines))
    top_hash = hashlib.sha256(body).hexdigest()
    s3.put_object(Bucket=WORK, Key=f".quilt/packages/{top_hash}", Body=body)
    for tag in ("1700000000", "latest"):
        s3.put_object(Bucket=WORK, Key=f".quilt/named_packages/{name}/{tag}", Body=top_hash.encode())
    return top_hash


def line_of(uri: str, kind: str, value: str, **meta: Any) -> dict[str, Any]:
    """Return the manifest line of one entry."""
    digest = {"type": kind, "value": value}
    return {"logical_key": "d/a.txt", "physical_keys": [uri], "size": 5, "hash": digest, "meta": meta}


def test_null_is_no_metadata(ops: quilt.QuiltOps, name: str, s3: S3Client) -> None:
    """A package whose metadata is null counts as one without metadata, in reads and updates."""
    foreign(s3, name, {"user_meta": None})
    assert ops.get_package_metadata(name, REGISTRY) == {}
    info = ops.get_package_info(name, REGISTRY)
    assert (info.description, info.tags) == (None, ())
    bare = ops.create_package_revision(f"{name}-bare", REGISTRY, []).top_hash
    assert ops.update_package_revision(name, REGISTRY).top_hash == bare
    ops.update_package_revision(name, REGISTRY, metadata={"a": 1})
    assert ops.get_package_metadata(name, REGISTRY) == {"a": 1}


def test_metadata_of_another_kind_is_damage(ops: quilt.QuiltOps, name: str, s3: S3Client) -> None:
    """Metadata that is not an object raises BackendError in every operation that reads it."""
    foreign(s3, name, {"user_meta": [1]})
    for act in (ops.get_package_metadata, ops.get_package_info, ops.update_package_revision):
        with pytest.raises(quilt.BackendError):
            act(name, REGISTRY)


@pytest.mark.parametrize("wrap", [True, False])
def test_directories_have_their_metadata(
    ops: quilt.QuiltOps, name: str, s3: S3Client, sources: dict[str, str], *, wrap: bool
) -> None:
    """Directory metadata is read in wrapped and in plain form; an update drops it."""
    said = {"owner": "me"}
    line = line_of(sources["hello.txt"], "SHA256", hashlib.sha256(b"hello").hexdigest())
    name = f"{name}-{wrap}"
    foreign(s3, name, {}, {"logical_key": "d/", "meta": {"user_meta": said} if wrap else said}, line)
    assert [item.meta for item in ops.browse_content(name, REGISTRY)] == [said]
    ops.update_package_revision(name, REGISTRY, message="kept entries")
    assert [item.meta for item in ops.browse_content(name, REGISTRY)] == [None]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("SHA256", hashlib.sha256(b"hello").hexdigest()), ("SHA256", "0" * 64), ("CRC64NVME", "AAAAAAAAAAA=")],
)
def test_kept_entries_keep_their_hash(
    ops: quilt.QuiltOps, name: str, s3: S3Client, sources: dict[str, str], kind: str, value: str
) -> None:
    """An update that keeps the entries keeps their stored hashes, of any type and even if wrong."""
    name = f"{name}-{kind}-{value[:2]}"
    head = s3.head_object(Bucket=WORK, Key="conform/hello.txt")
    line = line_of(f"{sources['hello.txt']}?versionId={head['VersionId']}", kind, value, user_meta={"k": 1})
    foreign(s3, name, {}, line)
    made = ops.update_package_revision(name, REGISTRY, message="again")
    body = s3.get_object(Bucket=WORK, Key=f".quilt/packages/{made.top_hash}")["Body"].read()
    kept = json.loads(body.splitlines()[1])
    assert (kept["hash"], kept["size"], kept["meta"]) == (line["hash"], 5, {"user_meta": {"k": 1}})


def test_a_copy_that_finds_no_source_names_it(ops: quilt.QuiltOps, backend: str, name: str, s3: S3Client) -> None:
    """The error of a copy names the missing source object, not the registry."""
    where, line = f"s3://{WORK}/conform/never-there.txt", line_of("", "SHA256", "0" * 64)
    foreign(s3, name, {}, line | {"physical_keys": [where]})
    with pytest.raises(quilt.NotFoundError) as caught:
        ops.update_package_revision(name, REGISTRY, copy=True)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "update_package_revision",
        "resource_type": "file",
        "identifier": where,
        "search_location": REGISTRY,
    }


def test_an_object_without_versions_is_copied(ops: quilt.QuiltOps, name: str, sources: dict[str, str]) -> None:
    """An object with the version `null` can be copied."""
    entries = [{"logical_key": "a", "physical_key": f"{sources['unversioned.txt']}?versionId=null"}]
    made = ops.create_package_revision(name, REGISTRY, entries, copy=True)
    assert (made.file_count, [item.size for item in ops.browse_content(name, REGISTRY)]) == (1, [11])


def test_what_lies_among_the_pointers_is_no_package(ops: quilt.QuiltOps, name: str, s3: S3Client) -> None:
    """Stray keys among the pointers are neither packages nor revisions."""
    made = ops.create_package_revision(name, REGISTRY, [])
    before, prefix = ops.list_all_packages(REGISTRY), ".quilt/named_packages/"
    strays = ["alone", f"{name}/below/1700000001", f"{name}/note.txt", "with space/a/latest", "x.y/a/latest"]
    for stray in strays:
        s3.put_object(Bucket=WORK, Key=f"{prefix}{stray}", Body=made.top_hash.encode())
    try:
        assert ops.list_all_packages(REGISTRY) == before
        assert len(ops.list_package_revisions(name, REGISTRY)) == 1
    finally:
        for stray in strays:
            s3.delete_object(Bucket=WORK, Key=f"{prefix}{stray}")
