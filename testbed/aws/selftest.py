"""The storage's self-test at start: the corrections and permissions we rely on, checked with our own hashes."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from testbed.aws import inventory
from testbed.aws.provision import client

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from testbed.aws.provision import Keys

BUCKET: Final = "quilt-mcp-test-work"
PART: Final = 8 * 1024 * 1024
QUERY_SECONDS: Final = 30
SMALL: Final = b"nightproof self-test"


class SelfTestError(Exception):
    """A required behaviour that the testbed lacks; the message names it."""


def self_test(url: str, keys: Keys) -> None:
    """Run every probe under a unique prefix, then delete its objects; raise SelfTestError for a failed probe."""
    s3: S3Client = client(url, "s3", key=keys["ci-seeder"])
    prefix = f".nightproof-selftest/{os.urandom(6).hex()}/"
    probes: dict[str, Callable[[], None]] = {
        "put and copy": lambda: _put_and_copy(s3, prefix),
        "multipart": lambda: _multipart(s3, prefix),
        "versions": lambda: _versions(s3, prefix),
        "wrong checksum": lambda: _bad_checksum(s3, prefix),
        "rights": lambda: _rights(prefix, url, keys),
        "presigned URLs": lambda: _expired_url(s3, prefix, url, keys),
        "regions": lambda: _regions(s3),
        "databases": lambda: _databases(url, keys),
        "queries": lambda: _query(url, keys),
    }
    try:
        with ThreadPoolExecutor(len(probes)) as pool:
            list(pool.map(_probe, probes, probes.values()))
    finally:
        _probe("cleaning up", lambda: _clean(s3, prefix))


def _probe(name: str, probe: Callable[[], None]) -> None:
    try:
        probe()
    except (ClientError, BotoCoreError, KeyError) as error:
        raise SelfTestError(f"The storage self-test of {name} ended with {type(error).__name__}: {error}.") from error


def digest(data: bytes) -> str:
    """Return the SHA-256 in base64, as S3 sends it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _expect(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise SelfTestError(f"The storage self-test `{what}` answered {actual!r} instead of {expected!r}.")


def _put_and_copy(s3: S3Client, prefix: str) -> None:
    put = s3.put_object(Bucket=BUCKET, Key=f"{prefix}put", Body=SMALL, ChecksumAlgorithm="SHA256")
    _expect("PutObject checksum", put.get("ChecksumSHA256"), digest(SMALL))
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}crc", Body=SMALL)
    copy = s3.copy_object(
        Bucket=BUCKET,
        Key=f"{prefix}copy",
        CopySource={"Bucket": BUCKET, "Key": f"{prefix}crc"},
        ChecksumAlgorithm="SHA256",
    )
    _expect("CopyObject checksum", copy["CopyObjectResult"].get("ChecksumSHA256"), digest(SMALL))
    head = s3.head_object(Bucket=BUCKET, Key=f"{prefix}copy", ChecksumMode="ENABLED")
    _expect("HeadObject checksum of a copy", head.get("ChecksumSHA256"), digest(SMALL))
    seen = s3.get_object_attributes(Bucket=BUCKET, Key=f"{prefix}copy", ObjectAttributes=["Checksum"])
    _expect("GetObjectAttributes checksum", seen.get("Checksum", {}).get("ChecksumSHA256"), digest(SMALL))


def _multipart(s3: S3Client, prefix: str) -> None:
    """Upload one part, copy a second, and compare the composite checksum of the object."""
    block, key = bytes(PART), f"{prefix}multipart"
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}source", Body=SMALL)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    first = s3.upload_part(
        Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=block, ChecksumSHA256=digest(block)
    )
    second = s3.upload_part_copy(
        Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=2, CopySource={"Bucket": BUCKET, "Key": f"{prefix}source"}
    )["CopyPartResult"]
    _expect("UploadPartCopy checksum", second.get("ChecksumSHA256"), digest(SMALL))
    parts: Any = [
        {"PartNumber": 1, "ETag": first["ETag"], "ChecksumSHA256": digest(block)},
        {"PartNumber": 2, "ETag": second["ETag"], "ChecksumSHA256": digest(SMALL)},
    ]
    done = s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    raw = hashlib.sha256(block).digest() + hashlib.sha256(SMALL).digest()
    _expect("composite checksum", done.get("ChecksumSHA256"), f"{digest(raw)}-2")


def _versions(s3: S3Client, prefix: str) -> None:
    key = f"{prefix}versions"
    written = [s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"] for body in (b"1", b"2")]
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]
    _expect("version listing", [v["VersionId"] for v in listed], written[::-1])


def _bad_checksum(s3: S3Client, prefix: str) -> None:
    wrong = digest(b"other bytes")
    code = _code(lambda: s3.put_object(Bucket=BUCKET, Key=f"{prefix}bad", Body=SMALL, ChecksumSHA256=wrong))
    _expect("wrong checksum", code, "BadDigest")


def _rights(prefix: str, url: str, keys: Keys) -> None:
    runner = client(url, "s3", key=keys["ci-runner"])
    runner.list_objects_v2(Bucket="quilt-mcp-test-data", MaxKeys=1)
    code = _code(lambda: runner.put_object(Bucket="quilt-mcp-test-data", Key=f"{prefix}denied", Body=b""))
    _expect("write without permission", code, "AccessDenied")


def _expired_url(s3: S3Client, prefix: str, url: str, keys: Keys) -> None:
    key = f"{prefix}presigned"
    s3.put_object(Bucket=BUCKET, Key=key, Body=SMALL)
    _expect("presigned URL", _get(_presign(url, key, keys, timedelta())), 200)
    _expect("expired presigned URL", _get(_presign(url, key, keys, timedelta(minutes=5))), 403)


def _regions(s3: S3Client) -> None:
    for bucket in inventory.BUCKETS:
        location = s3.get_bucket_location(Bucket=bucket.name).get("LocationConstraint")
        _expect(f"region of {bucket.name}", location, None if bucket.region == "us-east-1" else bucket.region)


def _databases(url: str, keys: Keys) -> None:
    athena = client(url, "athena", key=keys["ci-runner"])
    found = athena.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=inventory.DATABASE)
    names = {table["Name"] for table in found["TableMetadataList"]}
    _expect("tables seen by Athena", names & {inventory.TABLE}, {inventory.TABLE})


def _query(url: str, keys: Keys) -> None:
    """Run a query as ci-runner, the user of the night, and delete its result."""
    athena = client(url, "athena", key=keys["ci-runner"])
    query = athena.start_query_execution(
        QueryString=f"SELECT count(id) >= 0 FROM {inventory.TABLE}",  # noqa: S608 - our own name
        QueryExecutionContext={"Database": inventory.DATABASE},
        WorkGroup=inventory.WORKGROUP,
    )
    deadline = time.monotonic() + QUERY_SECONDS
    while True:
        execution = athena.get_query_execution(QueryExecutionId=query["QueryExecutionId"])["QueryExecution"]
        if execution["Status"]["State"] not in {"QUEUED", "RUNNING"} or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    reason = execution["Status"].get("StateChangeReason", "")
    _expect("query", (execution["Status"]["State"], reason), ("SUCCEEDED", ""))
    rows = athena.get_query_results(QueryExecutionId=query["QueryExecutionId"])["ResultSet"]["Rows"]
    _expect("query result", [row["Data"][0].get("VarCharValue") for row in rows], ["_col0", "true"])
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    client(url, "s3", key=keys["ci-runner"]).delete_object(Bucket=bucket, Key=key)


def _presign(url: str, key: str, keys: Keys, age: timedelta) -> str:
    """Return a URL with a life of one minute, signed as if `age` ago."""
    own = keys["ci-seeder"]
    request = AWSRequest("GET", f"{url}/{BUCKET}/{key}")
    auth = S3SigV4QueryAuth(Credentials(own["access_key_id"], own["secret_access_key"]), "s3", "us-east-1", expires=60)
    request.context["timestamp"] = (datetime.now(UTC) - age).strftime("%Y%m%dT%H%M%SZ")
    auth._modify_request_before_signing(request)  # type: ignore[attr-defined]  # noqa: SLF001 - signs with our time
    auth._inject_signature_to_request(  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        request, auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    )
    return str(request.url)


def _get(url: str) -> int:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request("GET", f"{place.path}?{place.query}")
        return connection.getresponse().status
    finally:
        connection.close()


def _code(call: Callable[[], object]) -> str:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "no error"


def _clean(s3: S3Client, prefix: str) -> None:
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
    for entry in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"], VersionId=entry["VersionId"])
