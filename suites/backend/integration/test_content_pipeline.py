"""From a listing to decoded content: every file of every format, by URL, by range and by version."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import requests

from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support import formats
from suites._support.hashes import chunked_hash
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

DATASET = "mixed-formats"
MIXED = f"test-user/{DATASET}"
TIMEOUT_S = 30
BORDER = 8 * 1024 * 1024
LIFE_S = 3600


@case(tier="critical", category="integration-read", journey="browse-data")
def test_content_retrieval_pipeline(
    quilt_ops: QuiltOps, test_registry: str, seeds: Seeds, observer: Observer, target: Settings
) -> None:
    """Each file is returned as it was stored, whole, by range and by version, and decodes to its known content."""
    sizes = {path: entry["bytes"] for path, entry in seeds.entries(DATASET).items()}
    items = quilt_ops.browse_content(MIXED, test_registry)
    assert [(item.path, item.type, item.size, item.meta) for item in items] == [
        (path, "file", sizes[path], None) for path in sorted(sizes)
    ]
    manifest = observer.manifest(target.packages, seeds.top_hash(MIXED))
    assert manifest.entries.keys() == sizes.keys()
    s3 = quilt_ops.get_boto3_client("s3")
    content: dict[str, bytes] = {}
    for item in items:
        url = quilt_ops.get_content_url(MIXED, test_registry, item.path, expires_in=LIFE_S)
        content[item.path] = data = _by_url(
            url, seeds.entries(DATASET)[item.path], seeds.version_id(DATASET, item.path)
        )
        assert url.startswith(f"{observer.origin(target.data)}/")
        (physical,) = manifest.entries[item.path]["physical_keys"]
        bucket, key, version = _located(physical)
        assert (bucket, key) == (target.data, f"{DATASET}/{item.path}")
        assert version == seeds.version_id(DATASET, item.path)
        stored = s3.get_object(Bucket=bucket, Key=key, VersionId=version)
        assert stored["Body"].read() == data
        head = s3.head_object(Bucket=bucket, Key=key, VersionId=version)
        assert (head["ContentLength"], head["VersionId"]) == (item.size, version)
        assert stored["ContentType"] == head["ContentType"] == observer.content_type(bucket, key)
        expected = {"type": "sha2-256-chunked", "value": chunked_hash(data)}
        assert manifest.entries[item.path]["hash"] == expected
    _check_formats(content, seeds)
    observe("content", {path: [sha256_hex(data), len(data)] for path, data in content.items()})


def _located(physical_key: str) -> tuple[str, str, str]:
    parts = urlsplit(physical_key)
    (version,) = parse_qs(parts.query)["versionId"]
    return parts.netloc, parts.path.removeprefix("/"), version


def _by_url(url: str, entry: dict[str, Any], version: str) -> bytes:
    """Download a file from its URL, whole and by range, check that a forged signature fails, and return the bytes."""
    query = parse_qs(urlsplit(url).query)
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], [str(LIFE_S)])
    assert query["versionId"] == [version]
    whole = requests.get(url, timeout=TIMEOUT_S)
    assert whole.status_code == 200
    assert (len(whole.content), sha256_hex(whole.content)) == (entry["bytes"], entry["sha256"])
    for first, last in [(0, 99), *([(BORDER - 1000, BORDER + 999)] if entry["bytes"] > BORDER else [])]:
        part = requests.get(url, headers={"Range": f"bytes={first}-{last}"}, timeout=TIMEOUT_S)
        assert part.status_code == 206
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{entry['bytes']}"
        assert part.content == whole.content[first : last + 1]
    (signature,) = query["X-Amz-Signature"]
    forged = url.replace(signature, signature[::-1])
    assert requests.get(forged, timeout=TIMEOUT_S).status_code == 403
    return whole.content


def _check_formats(content: dict[str, bytes], seeds: Seeds) -> None:
    """Decode every file and compare its content with the seeds."""
    entries = seeds.entries(DATASET)
    ids = formats.json_ids(content["data.json"])
    assert ids == list(range(len(ids)))
    rows = formats.csv_rows(content["data.csv"])
    assert list(rows[0]) == ["id", "name", "value", "category", "timestamp", "note"]
    assert [int(row["id"]) for row in rows] == list(range(len(rows)))
    assert [row["category"] for row in rows] == ["ABC"[number % 3] for number in range(len(rows))]
    assert formats.parquet_digest(content["data.parquet"]) == (1_250_000, entries["data.parquet"]["content_sha256"])
    assert formats.picture_digest(content["image.png"]) == ((1300, 1300), entries["image.png"]["content_sha256"])
    size, mode, distance = formats.distance_from_flat(content["image.jpg"])
    assert (size, mode) == ((1000, 1000), "RGB")
    assert distance <= formats.TOLERANCE
