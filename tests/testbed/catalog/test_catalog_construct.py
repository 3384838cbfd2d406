from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest
import quilt3

from testbed.catalog import manifest as manifests
from tests.testbed.catalog.calling import CONSTRUCT
from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import PROMOTE
from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

MIB = 1024 * 1024


def stored(catalog: Calling, top_hash: str, bucket: str = WORK) -> list[Any]:
    """Return the parsed lines of a stored manifest."""
    body = catalog.s3.get_object(Bucket=bucket, Key=f".quilt/packages/{top_hash}")["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def first_error(arm: Any) -> tuple[str, str]:
    """Return path and name of the only error of an invalid input."""
    (error,) = arm["errors"]
    return error["path"], error["name"]


def test_a_manifest_is_what_quilt3_reads_and_would_write(catalog: Calling) -> None:
    """A constructed manifest is one that quilt3 would write: order, versions, sizes, metadata and all hashes agree."""
    keys = ["B.txt", "a.txt", "a/b.txt"]
    uris = {key: catalog.put_object(f"construct/é {key}", key.encode(), DATA) for key in keys}
    entries: list[dict[str, Any]] = [{"logicalKey": key, "physicalKey": uri} for key, uri in uris.items()]
    entries[1]["meta"] = {"user_meta": {"k": [1, None, "ü"]}}
    params = {"bucket": WORK, "name": "construct/whole", "message": "m", "userMeta": {"d": {"x": 1.5}}}
    arm = catalog.data(CONSTRUCT, {"params": params, "src": {"entries": entries}})["packageConstruct"]
    header, *lines = stored(catalog, arm["revision"]["hash"])
    assert header == {"version": "v0", "message": "m", "user_meta": {"d": {"x": 1.5}}}
    assert [line["logical_key"] for line in lines] == ["B.txt", "a/b.txt", "a.txt"]
    assert [line["meta"] for line in lines] == [{}, {}, {"user_meta": {"k": [1, None, "ü"]}}]
    assert all("?versionId=" in line["physical_keys"][0] for line in lines)
    package = quilt3.Package()
    for line in lines:
        entry = quilt3.packages.PackageEntry(
            quilt3.util.PhysicalKey.from_url(line["physical_keys"][0]), line["size"], line["hash"], line["meta"]
        )
        package.set(line["logical_key"], entry)
    package._meta = header
    assert package.top_hash == arm["revision"]["hash"]
    assert {line["hash"]["value"] for line in lines} == {manifests.chunked_hash(key.encode()) for key in keys}


@pytest.mark.parametrize("checksum", ["", "SHA256"])
def test_the_hash_of_a_large_object_is_that_of_its_bytes(catalog: Calling, checksum: str) -> None:
    """The hash of an object above one part is that of its bytes, with or without a checksum in S3."""
    body = bytes(range(256)) * (9 * MIB // 256)
    extra: Any = {"ChecksumAlgorithm": checksum} if checksum else {}
    catalog.s3.put_object(Bucket=SCRATCH, Key="construct/large", Body=body, **extra)
    arm = catalog.construct("construct/large", {"x": f"s3://{SCRATCH}/construct/large"})
    (line,) = stored(catalog, arm["revision"]["hash"])[1:]
    assert (line["size"], line["hash"]["value"]) == (len(body), manifests.chunked_hash(body))


def test_the_hash_of_parts_of_eight_mebibytes_is_taken_from_the_storage(catalog: Calling) -> None:
    """An object uploaded in 8 MiB parts has a composite checksum in S3 that is its chunked hash."""
    key, parts = "construct/parts", [b"x" * 8 * MIB, b"y" * 5]
    upload = catalog.s3.create_multipart_upload(Bucket=SCRATCH, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    target: Any = {"Bucket": SCRATCH, "Key": key, "UploadId": upload}
    done: list[Any] = []
    for number, part in enumerate(parts, 1):
        sent = catalog.s3.upload_part(**target, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256")
        done.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]})
    catalog.s3.complete_multipart_upload(**target, MultipartUpload={"Parts": done})
    arm = catalog.construct("construct/parts", {"x": f"s3://{SCRATCH}/{key}"})
    (line,) = stored(catalog, arm["revision"]["hash"])[1:]
    assert line["hash"]["value"] == manifests.chunked_hash(b"".join(parts))


@pytest.mark.parametrize(
    ("keys", "position"),
    [
        (["a", "a"], 1),
        (["a", "a/b"], 1),
        (["a/b", "a"], 1),
        (["../x"], 0),
        (["/x"], 0),
        (["a//b"], 0),
        ([""], 0),
        (["x", "."], 1),
        (["dir/"], 0),
    ],
)
def test_keys_that_no_tree_has_are_refused(catalog: Calling, keys: list[str], position: int) -> None:
    """Duplicate, nested or malformed logical keys are refused, and the error's path names the entry."""
    uri = catalog.put_object("construct/any", b"1")
    entries = [{"logicalKey": key, "physicalKey": uri} for key in keys]
    variables = {"params": {"bucket": WORK, "name": "construct/keys"}, "src": {"entries": entries}}
    arm = catalog.data(CONSTRUCT, variables)["packageConstruct"]
    assert first_error(arm) == (f"src.entries.{position}.logicalKey", "InvalidLogicalKey")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("nonsense", "InvalidPhysicalKey"),
        (f"s3://{SCRATCH}/dir/", "InvalidPhysicalKey"),
        (f"s3://{SCRATCH}/construct/nothing", "ObjectNotFound"),
        (f"s3://{SCRATCH}/{'k' * 1200}", "ObjectNotFound"),
        (f"s3://{DATA}/construct/nothing?versionId=unknown", "ObjectNotFound"),
        ("s3://no-such-bucket/key", "ObjectNotFound"),
    ],
)
def test_a_source_that_is_not_there_is_refused(catalog: Calling, uri: str, name: str) -> None:
    """A malformed or missing source is refused with its own error, and nothing is written."""
    arm = catalog.construct("construct/missing", {"x": uri})
    assert first_error(arm) == ("src.entries.0.physicalKey", name)
    listed = catalog.s3.list_objects_v2(Bucket=WORK, Prefix=".quilt/named_packages/construct/missing/")
    assert listed["KeyCount"] == 0


@pytest.mark.parametrize(
    ("user", "bucket", "source", "required"),
    [
        ("test-readonly", WORK, DATA, f"s3:write:{WORK}"),
        ("test-user", DATA, DATA, f"s3:write:{DATA}"),
        ("test-user", WORK, PRIVATE, f"s3:read:{PRIVATE}"),
    ],
)
def test_writing_needs_the_rights_of_the_role(
    catalog: Calling, user: str, bucket: str, source: str, required: str
) -> None:
    """A construct needs the rights to write the registry and to read every source."""
    uri = catalog.put_object("construct/rights", b"1", source)
    entries = [{"logicalKey": "x", "physicalKey": uri}]
    variables = {"params": {"bucket": bucket, "name": "construct/rights"}, "src": {"entries": entries}}
    answer = catalog.post(CONSTRUCT, variables, user)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["required"]) == (403, [required])


def test_an_unknown_bucket_is_an_invalid_input(catalog: Calling) -> None:
    """An unknown bucket of a package or of a promotion's source is an invalid input."""
    assert first_error(catalog.construct("a/b", {}, bucket="nowhere")) == ("params.bucket", "BucketNotFound")
    source = {"bucket": "nowhere", "name": "a/b", "hash": "0" * 64}
    arm = catalog.data(PROMOTE, {"params": {"bucket": WORK, "name": "a/b"}, "src": source})["packagePromote"]
    assert first_error(arm) == ("src.bucket", "BucketNotFound")


def promote(catalog: Calling, top_hash: str, name: str = "construct/promoted", **more: Any) -> Any:
    """Promote a revision of the work registry into scratch and return the union member."""
    source = {"bucket": WORK, "name": "construct/source", "hash": top_hash}
    prefix = {"prefix": more.pop("prefix")} if "prefix" in more else {}
    params = {"bucket": SCRATCH, "name": name} | more
    return catalog.data(PROMOTE, {"params": params, "src": source} | prefix)["packagePromote"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [({}, "construct/promoted/dir/a"), ({"prefix": "/else/where/"}, "else/where/dir/a"), ({"prefix": ""}, "dir/a")],
)
def test_a_promotion_copies_under_the_same_hash(catalog: Calling, prefix: dict[str, str], expected: str) -> None:
    """A promotion keeps the top hash and copies the objects below the package's name or the given prefix."""
    top_hash = catalog.package("construct/source", {"dir/a": b"1"}, message="m", userMeta={"k": 1})
    arm = promote(catalog, top_hash, message="m", userMeta={"k": 1}, **prefix)
    assert arm["revision"]["hash"] == top_hash
    (entry,) = arm["revision"]["contentsFlatMap"].values()
    assert entry["physicalKey"].startswith(f"s3://{SCRATCH}/{expected}?")
    assert catalog.s3.get_object(Bucket=SCRATCH, Key=expected)["Body"].read() == b"1"


def test_a_promotion_that_cannot_be_done_says_why(catalog: Calling) -> None:
    """A promotion of an unknown revision, to an invalid name or of a missing object is refused with its own error."""
    assert promote(catalog, "0" * 64)["name"] == "RevisionNotFound"
    top_hash = catalog.package("construct/source", {"gone": b"1"}, message="gone")
    assert first_error(promote(catalog, top_hash, "no name")) == ("params.name", "InvalidName")
    catalog.s3.delete_object(Bucket=SCRATCH, Key="construct/source/gone")
    assert promote(catalog, top_hash)["name"] == "ObjectNotFound"


GIVEN = [("SHA256", "ab" * 32), ("sha2-256-chunked", "q" * 43 + "="), ("CRC64NVME", "AAAAAAAAAAA=")]


@pytest.mark.parametrize(("kind", "value"), GIVEN)
@pytest.mark.parametrize("version", ["", "?versionId=of-old", "?versionId=null"])
def test_given_size_and_hash_are_kept(catalog: Calling, kind: str, value: str, version: str) -> None:
    """An entry given with size and hash is stored unchanged, without a look at the object, which need not exist."""
    entry = {"logicalKey": "x", "physicalKey": f"s3://{SCRATCH}/construct/not-there{version}", "size": 5.0}
    entry |= {"hash": {"type": kind, "value": value}, "meta": {"user_meta": {"a": 1}}}
    variables = {"params": {"bucket": WORK, "name": "construct/given"}, "src": {"entries": [entry]}}
    arm = catalog.data(CONSTRUCT, variables)["packageConstruct"]
    _, line = stored(catalog, arm["revision"]["hash"])
    assert line == {
        "logical_key": "x",
        "physical_keys": [entry["physicalKey"]],
        "size": 5,
        "hash": {"type": kind, "value": value},
        "meta": {"user_meta": {"a": 1}},
    }


@pytest.mark.parametrize("given", [{"size": 99}, {"hash": {"type": "SHA256", "value": "ab" * 32}}])
def test_a_size_or_hash_alone_is_taken_from_the_object(catalog: Calling, given: dict[str, Any]) -> None:
    """If only one of size and hash is given, both are taken from the object."""
    entry = {"logicalKey": "x", "physicalKey": catalog.put_object("construct/alone", b"12345")} | given
    variables = {"params": {"bucket": WORK, "name": "construct/alone"}, "src": {"entries": [entry]}}
    arm = catalog.data(CONSTRUCT, variables)["packageConstruct"]
    _, line = stored(catalog, arm["revision"]["hash"])
    chunked = {"type": "sha2-256-chunked", "value": manifests.chunked_hash(b"12345")}
    assert (line["size"], line["hash"]) == (5, chunked)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"hash": {"type": "MD5", "value": "x"}, "size": 5}, ("src.entries.0.hash.type", "InvalidHashType")),
        ({"hash": {"type": "sha256", "value": "x"}}, ("src.entries.0.hash.type", "InvalidHashType")),
        ({"hash": {"type": "", "value": "x"}, "size": 5}, ("src.entries.0.hash.type", "InvalidHashType")),
        ({"hash": {"type": "SHA256", "value": "x"}, "size": -1}, ("src.entries.0.size", "InvalidSize")),
        ({"hash": {"type": "SHA256", "value": "x"}, "size": 1.5}, ("src.entries.0.size", "InvalidSize")),
        ({"size": -1}, ("src.entries.0.size", "InvalidSize")),
    ],
)
def test_a_size_or_hash_that_is_none_is_refused(
    catalog: Calling, given: dict[str, Any], expected: tuple[str, str]
) -> None:
    """An unknown hash type, which could never be verified, or an invalid size is refused."""
    entry = {"logicalKey": "x", "physicalKey": catalog.put_object("construct/unfit", b"12345")} | given
    variables = {"params": {"bucket": WORK, "name": "construct/unfit"}, "src": {"entries": [entry]}}
    assert first_error(catalog.data(CONSTRUCT, variables)["packageConstruct"]) == expected


@pytest.mark.parametrize("where", ["params.userMeta", "src.entries.1.meta"])
def test_a_record_has_a_million_bytes_at_most(catalog: Calling, where: str) -> None:
    """A manifest line of more than 1,000,000 bytes, header or entry, is refused, and nothing is written."""
    uris = [catalog.put_object(f"construct/large{n}", b"1") for n in range(2)]

    def built(filling: str) -> Any:
        entries: list[dict[str, Any]] = [{"logicalKey": f"k{n}", "physicalKey": uri} for n, uri in enumerate(uris)]
        params: dict[str, Any] = {"bucket": WORK, "name": "construct/large", "userMeta": {}}
        (params if where == "params.userMeta" else entries[1])[where.rpartition(".")[2]] = {"a": filling}
        return catalog.data(CONSTRUCT, {"params": params, "src": {"entries": entries}})["packageConstruct"]

    lines = stored(catalog, built("")["revision"]["hash"])
    line = lines[0 if where == "params.userMeta" else 2]
    room = 1_000_000 - len(json.dumps(line, ensure_ascii=False).encode())
    fits = "é" * (room // 2) + "x" * (room % 2)
    assert built(fits)["__typename"] == "PackagePushSuccess"
    before = catalog.s3.list_objects_v2(Bucket=WORK, Prefix=".quilt/named_packages/construct/large/")["KeyCount"]
    assert first_error(built(f"{fits}x")) == (where, "MetadataTooLarge")
    after = catalog.s3.list_objects_v2(Bucket=WORK, Prefix=".quilt/named_packages/construct/large/")["KeyCount"]
    assert after == before


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject", "PutObject", "ListObjectsV2"])
def test_what_the_storage_refuses_to_the_catalog_is_an_arm(
    catalog: Calling, switch_storage: Callable[..., None], operation: str
) -> None:
    """A storage denial of any request of a construct is an OperationError that names the operation."""
    uri = catalog.put_object("construct/refused", b"1")
    switch_storage("error", operation=operation, user="catalog-service", status=403, code="AccessDenied")
    arm = catalog.construct("construct/refused", {"x": uri})
    assert (arm["__typename"], arm["name"]) == ("OperationError", "AWSError")
    assert operation in arm["message"]


def test_what_the_storage_refuses_to_other_mutations_is_an_arm(
    catalog: Calling, switch_storage: Callable[..., None]
) -> None:
    """A storage denial of a promotion's copy or a revision's deletion is an OperationError."""
    top_hash = catalog.package("construct/source", {"a": b"1"}, message="refused")
    switch_storage("error", operation="CopyObject", user="catalog-service", status=403, code="AccessDenied")
    arm = promote(catalog, top_hash)
    assert (arm["__typename"], arm["name"]) == ("OperationError", "AWSError")
    switch_storage("error", operation="DeleteObject", user="catalog-service", status=403, code="AccessDenied")
    document = "mutation D($h: String!) { packageRevisionDelete(bucket: %s, name: %s, hash: $h) { __typename"
    document += " ... on OperationError { name context } } }"
    document %= (f'"{WORK}"', '"construct/source"')
    arm = catalog.data(document, {"h": top_hash})["packageRevisionDelete"]
    assert (arm["name"], arm["context"]["error_code"]) == ("AWSError", "AccessDenied")


def test_a_storage_that_fails_is_an_internal_error(catalog: Calling, switch_storage: Callable[..., None]) -> None:
    """A storage failure during a construct is answered 500 with a message and without a traceback."""
    uri = catalog.put_object("construct/failing", b"1")
    entries = [{"logicalKey": "x", "physicalKey": uri}]
    variables = {"params": {"bucket": WORK, "name": "construct/failing"}, "src": {"entries": entries}}
    for operation in ("HeadObject", "PutObject"):
        switch_storage("error", operation=operation, status=501)
        answer = catalog.post(CONSTRUCT, variables)
        assert (answer.status_code, answer.json()["message"]) == (500, "Internal Server Error"), operation
