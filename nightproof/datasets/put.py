"""Put datasets in place: look first, by version and by byte; generate and upload only what is missing or damaged."""

from __future__ import annotations

import hashlib
import io
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from nightproof.datasets.catalogue import bucket_of
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.generators import DECOYED
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate
from nightproof.datasets.manifest import pinned
from nightproof.records import SeedResult

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from nightproof.datasets.placement import Placement
    from nightproof.profile import Names

WORKERS: Final = 8
PART: Final = 8 * 1024 * 1024
TRANSFER: Final = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
GENERATORS: Final = 2


@dataclass(frozen=True, slots=True)
class Storage:
    """The seeded buckets and what is known of them."""

    s3: S3Client
    names: Names
    placement: Placement


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not as pinned; `was_there` tells damage from a first seeding."""

    path: str
    reason: str
    was_there: bool


def put_dataset(storage: Storage, dataset: str) -> SeedResult:
    """Bring one dataset to its pinned content and say what that took."""
    started = time.monotonic()
    findings = inspect(storage, dataset)
    uploaded = _upload(storage, dataset, [finding.path for finding in findings])
    damaged = [finding for finding in findings if finding.was_there]
    facts = [pinned()[f"{dataset}/{path}"] for path in FILES[dataset]]
    digest = hashlib.sha256("".join(fact["sha256"] for fact in facts).encode()).hexdigest()
    return SeedResult(
        name=dataset, kind="dataset", files=len(facts), bytes=sum(fact["bytes"] for fact in facts), sha256=digest,
        generated_bytes=sum(pinned()[f"{dataset}/{finding.path}"]["bytes"] for finding in findings),
        uploaded_bytes=uploaded, repaired=len(damaged), duration_s=time.monotonic() - started,
        repairs=tuple(f"{dataset}/{finding.path}: {finding.reason}" for finding in damaged),
    )  # fmt: skip


def inspect(storage: Storage, dataset: str) -> list[Finding]:
    """Compare every file with its pin: newest version, size, and all bytes read back."""
    bucket = bucket_of(dataset, storage.names)
    prefix = "" if dataset == "west" else f"{dataset}/"
    newest: dict[str, Any] = {}
    for page in storage.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        newest |= {v["Key"]: v for v in page.get("Versions", []) if v["IsLatest"]}
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda path: _inspect_file(storage, dataset, path, newest), FILES[dataset])
        return [finding for finding in found if finding]


def _inspect_file(storage: Storage, dataset: str, path: str, newest: dict[str, Any]) -> Finding | None:
    known = storage.placement.version(dataset, path)
    version = newest.get(key_of(dataset, path))
    if version is None:
        return Finding(path, "the object was deleted", was_there=known is not None)
    if known is None:
        return Finding(path, "nothing is known of the object", was_there=False)
    if version["VersionId"] != known:
        return Finding(path, "the object was overwritten", was_there=True)
    if digest(storage, dataset, path, known) != pinned()[f"{dataset}/{path}"]["sha256"]:
        return Finding(path, "the stored bytes were changed", was_there=True)
    return None


def digest(storage: Storage, dataset: str, path: str, version: str) -> str:
    """Read one version from end to end; what cannot be read has no digest."""
    sha = hashlib.sha256()
    bucket = bucket_of(dataset, storage.names)
    try:
        body = storage.s3.get_object(Bucket=bucket, Key=key_of(dataset, path), VersionId=version)["Body"]
        for chunk in body.iter_chunks(1024 * 1024):
            sha.update(chunk)
    except (ClientError, BotoCoreError):
        return ""
    return sha.hexdigest()


def _upload(storage: Storage, dataset: str, paths: list[str]) -> int:
    if not paths:
        return 0
    uploaded = 0
    with ProcessPoolExecutor(GENERATORS) as makers, ThreadPoolExecutor(GENERATORS * 2) as senders:
        made = makers.map(generate, [dataset] * len(paths), paths)
        sent = [senders.submit(_send, storage, dataset, path, data) for path, data in zip(paths, made, strict=True)]
        for path, job in zip(paths, sent, strict=True):
            version, size = job.result()
            storage.placement.put(dataset, path, version)
            uploaded += size
    storage.placement.save()
    return uploaded


def _send(storage: Storage, dataset: str, path: str, data: bytes) -> tuple[str, int]:
    """Upload one file, after a decoy where stale reads must show; return its version and the bytes sent."""
    fact = pinned()[f"{dataset}/{path}"]
    if fact["pin"] == "bytes" and hashlib.sha256(data).hexdigest() != fact["sha256"]:
        raise ValueError(f"The generator of `{dataset}/{path}` does not give its pinned bytes: update the manifest.")
    bucket, key = bucket_of(dataset, storage.names), key_of(dataset, path)
    sent = 0
    bodies = [data[::-1], data] if dataset in DECOYED else [data]
    for body in bodies:
        storage.s3.upload_fileobj(
            io.BytesIO(body), bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"}, Config=TRANSFER
        )
        sent += len(body)
    head = storage.s3.head_object(Bucket=bucket, Key=key)
    return head.get("VersionId", "null"), sent
