"""AWS clients with the credentials that the catalog issues."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

from nightproof import quilt
from nightproof.evidence import case
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "secure-access"
WEST_REGION = "us-west-2"


@case(tier="critical", category="aws", journey=JOURNEY)
def test_s3_client(quilt_ops: quilt.QuiltOps, target: Settings, seeds: Seeds) -> None:
    """An S3 client has the credentials of the user's role, not those of the harness."""
    client = quilt_ops.get_boto3_client("s3")
    assert client.meta.region_name == target.region
    assert client.list_objects_v2(Bucket=target.data, Prefix="simple-csv/")["KeyCount"] == 5
    role = next(user["role"] for user in seeds.manifest["users"] if user["name"] == target.user)
    arn = quilt_ops.get_boto3_client("sts").get_caller_identity()["Arn"]
    assert f":assumed-role/nightproof-{role}/" in arn


@case(tier="high", category="aws", journey=JOURNEY)
def test_client_in_other_region(quilt_ops: quilt.QuiltOps, target: Settings, seeds: Seeds) -> None:
    """A client for another region reads a bucket that lives there."""
    client = quilt_ops.get_boto3_client("s3", region=WEST_REGION)
    assert client.meta.region_name == WEST_REGION
    assert client.get_bucket_location(Bucket=target.west)["LocationConstraint"] == WEST_REGION
    data = client.get_object(Bucket=target.west, Key="west.txt")["Body"].read()
    assert sha256_hex(data) == seeds.checksums["west.txt"]


@case(tier="high", category="aws", needs=("athena",), journey=JOURNEY)
def test_several_services(quilt_ops: quilt.QuiltOps, target: Settings, observer: Observer) -> None:
    """Each service has its own client, and all clients act in the same account."""
    services = ["s3", "athena", "sts"]
    clients = [quilt_ops.get_boto3_client(service) for service in services]
    assert [client.meta.service_model.service_name for client in clients] == services
    assert len({id(client) for client in clients}) == 3
    assert clients[2].get_caller_identity()["Account"] == observer.account()
    databases = clients[1].list_databases(CatalogName="AwsDataCatalog")["DatabaseList"]
    assert target.glue_database in [database["Name"] for database in databases]


@case(tier="high", category="aws", journey=JOURNEY)
def test_s3_list(quilt_ops: quilt.QuiltOps, target: Settings, seeds: Seeds) -> None:
    """A listing in pages of seven returns every object once."""
    pages = list(
        quilt_ops.get_boto3_client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=target.data, Prefix="nested-structure/", PaginationConfig={"PageSize": 7})
    )
    found = [(item["Key"], item["Size"]) for page in pages for item in page["Contents"]]
    entries = seeds.entries("nested-structure")
    assert len(pages) == 8
    assert len(found) == len(entries) == 50
    assert dict(found) == {f"nested-structure/{path}": entry["bytes"] for path, entry in entries.items()}


@case(tier="critical", category="aws", journey=JOURNEY)
def test_s3_get_object(quilt_ops: quilt.QuiltOps, target: Settings, seeds: Seeds) -> None:
    """An object is returned with the bytes, length, checksum and version of the seed."""
    answer = quilt_ops.get_boto3_client("s3").get_object(
        Bucket=target.data, Key="simple-csv/data1.csv", ChecksumMode="ENABLED"
    )
    expected = seeds.sha256("simple-csv", "data1.csv")
    assert sha256_hex(answer["Body"].read()) == expected
    assert answer["ContentLength"] == seeds.size("simple-csv", "data1.csv")
    assert b64decode(answer["ChecksumSHA256"]).hex() == expected
    assert answer["VersionId"] == seeds.version_id("simple-csv", "data1.csv")


@case(tier="normal", category="aws", journey=JOURNEY)
def test_invalid_service(quilt_ops: quilt.QuiltOps, target: Settings, backend: str) -> None:
    """An unknown service is rejected by name, and the client remains usable."""
    with pytest.raises(quilt.ValidationError) as caught:
        quilt_ops.get_boto3_client("invalid-service-xyz")
    assert caught.type is quilt.ValidationError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_boto3_client",
        "field_name": "service_name",
        "field_value": "invalid-service-xyz",
        "validation_rule": "a service that botocore knows",
    }
    listed = quilt_ops.get_boto3_client("s3").list_objects_v2(Bucket=target.data, Prefix="single-file/")
    assert [item["Key"] for item in listed["Contents"]] == ["single-file/data.csv"]
