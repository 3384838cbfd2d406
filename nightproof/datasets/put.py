"""Seeding of datasets: compares versions and bytes first; generates and uploads only what is missing or damaged."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO
from typing import TYPE_CHECKING
from typing import Final
from typing import cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from nightproof.datasets.catalogue import bucket_of
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.content import content_sha256
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import DECOYED
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import SIZE_BYTES
from nightproof.datasets.generators import generate
from nightproof.datasets.history import Past
from nightproof.datasets.history import past_of
from nightproof.datasets.manifest import pinned
from nightproof.errors import Blocked
from nightproof.progress import announce
from nightproof.records import SeedResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_s3 import S3Client

    from nightproof.datasets.placement import Placement
    from nightproof.profile import Names

WORKERS: Final = 8
STREAMS: Final = 4
PART: Final = 8 * 1024 * 1024
TRANSFER: Final = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
MB: Final = 1_000_000
KINDS: Final = {
    ".csv": "text/csv", ".json": "application/json", ".md": "text/markdown", ".txt": "text/plain",
    ".png": "image/png", ".jpg": "image/jpeg",
}  # fmt: skip
SAMPLED: Final = "00.bin"
WORTH_A_PROCESS: Final = 2 * MB


@dataclass(frozen=True, slots=True)
class Storage:
    """The seeded buckets and what is known of them."""

    s3: S3Client
    names: Names
    placement: Placement


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not as recorded; `was_there` tells damage from a first seeding, `intact` is a version to keep."""

    path: str
    reason: str
    was_there: bool = True
    intact: str = ""


def put_dataset(storage: Storage, dataset: str) -> SeedResult:
    """Bring one dataset to its pinned content and return what that took."""
    started = time.monotonic()
    findings = inspect(storage, dataset)
    missing = [finding.path for finding in findings if not finding.intact]
    for finding in findings:
        if finding.intact:
            storage.placement.put(dataset, finding.path, finding.intact)
    try:
        uploaded = _upload(storage, dataset, missing)
    finally:
        if findings:
            storage.placement.save()
    facts = [pinned()[f"{dataset}/{path}"] for path in FILES[dataset]]
    sha256 = hashlib.sha256("".join(fact["sha256"] for fact in facts).encode()).hexdigest()
    return SeedResult(
        name=dataset, kind="dataset", files=len(facts), bytes=sum(fact["bytes"] for fact in facts), sha256=sha256,
        generated_bytes=_size(dataset, missing), uploaded_bytes=uploaded,
        repaired=sum(finding.was_there for finding in findings), duration_s=time.monotonic() - started,
        repairs=_repairs(storage, dataset, findings),
    )  # fmt: skip


def _repairs(storage: Storage, dataset: str, findings: list[Finding]) -> tuple[str, ...]:
    """Return a line for each damaged object, and one for all objects that are intact but were not recorded."""
    named = [f"{dataset}/{f.path}: {f.reason}" for f in findings if f.was_there and not f.intact]
    noted = [finding for finding in findings if finding.intact]
    why = "could not be read" if storage.placement.is_damaged else "did not name their versions"
    line = f"{dataset}: placement.json {why}, {len(noted)} intact objects are noted again"
    return (*named, line) if noted else tuple(named)


def _size(dataset: str, paths: list[str]) -> int:
    return sum(pinned()[f"{dataset}/{path}"]["bytes"] for path in paths)


def inspect(storage: Storage, dataset: str) -> list[Finding]:
    """Compare every file with its pin: the newest version, and the bytes read back."""
    past = past_of(storage.s3, bucket_of(dataset, storage.names), [key_of(dataset, path) for path in FILES[dataset]])
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(
            lambda path: _inspect_file(storage, dataset, path, past[key_of(dataset, path)]), FILES[dataset]
        )
        return [finding for finding in found if finding]


def _inspect_file(storage: Storage, dataset: str, path: str, past: Past) -> Finding | None:
    known = storage.placement.version(dataset, path)
    if past.newest is None:
        return Finding(path, "the object was deleted", was_there=past.was_deleted or known is not None)
    if not _is_true(storage, dataset, path, past.newest, past.etag):
        return Finding(path, _damage(known, past))
    if past.newest == known:
        return None
    if dataset in DECOYED and len(past.versions) == 1:
        return Finding(path, "the older version with other bytes is gone")
    return Finding(path, "its version was not noted", intact=past.newest)


def _is_true(storage: Storage, dataset: str, path: str, version: str, etag: str) -> bool:
    """Return whether one version holds the pinned bytes, by reading it back.

    Of the bulk objects, one in a hundred is read, and each for which the store lists another MD5.
    """
    if dataset == BULK and not path.endswith(SAMPLED):
        data = generate(dataset, path)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() == etag:
            return True
    sha256: str = pinned()[f"{dataset}/{path}"]["sha256"]
    return digest(storage, dataset, path, version) == sha256


def _damage(known: str | None, past: Past) -> str:
    if known == past.newest:
        return "the stored bytes were changed"
    if known and known not in past.versions:
        return "the version with the true bytes was deleted"
    return "the object was overwritten"


def digest(storage: Storage, dataset: str, path: str, version: str) -> str:
    """Return the SHA-256 of one version, read from end to end, or an empty text if it cannot be read."""
    sha = hashlib.sha256()
    bucket = bucket_of(dataset, storage.names)
    try:
        found = storage.s3.get_object(Bucket=bucket, Key=key_of(dataset, path), VersionId=version)
        with closing(found["Body"]) as body:
            for chunk in body.iter_chunks(1024 * 1024):
                sha.update(chunk)
    except (ClientError, BotoCoreError):
        return ""
    return sha.hexdigest()


def _upload(storage: Storage, dataset: str, paths: list[str]) -> int:
    """Generate and send in up to 4 streams, one file at a time in each, to save memory; return the bytes sent."""
    tally = Tally(dataset, paths)

    def send(share: list[str]) -> None:
        for path, data in _made(dataset, share):
            version, sent = _send(storage, dataset, path, data)
            storage.placement.put(dataset, path, version)
            tally.add(path, sent)

    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(send, filter(None, (paths[stream::STREAMS] for stream in range(STREAMS)))))
    return tally.sent


class Tally:
    """A counter of what was sent, announced at every tenth of the files if they have 1 MB or more in all."""

    def __init__(self, dataset: str, paths: list[str]) -> None:
        self.sent = 0
        self._dataset = dataset
        self._files, self._of_files = 0, len(paths)
        self._bytes, self._of_bytes = 0, _size(dataset, paths)
        self._lock = threading.Lock()

    def add(self, path: str, sent: int) -> None:
        """Count one file; decoys are sent, but they are not files."""
        with self._lock:
            before, self._files = self._files, self._files + 1
            self.sent += sent
            self._bytes += _size(self._dataset, [path])
            is_next_tenth = 10 * self._files // self._of_files > 10 * before // self._of_files
            if is_next_tenth and self._of_bytes >= MB:
                text = f"{self._bytes / MB:.1f} of {self._of_bytes / MB:.1f} MB"
                announce(f"seed {self._dataset}", text, self._files, self._of_files)


def _made(dataset: str, paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Generate files; 2 MB or more in a child process that exits when its pipe closes."""
    if _size(dataset, paths) < WORTH_A_PROCESS:
        yield from ((path, generate(dataset, path)) for path in paths)
        return
    command = [sys.executable, "-m", "nightproof.datasets.generators", dataset, *paths]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        output = cast("IO[bytes]", child.stdout)
        for path in paths:
            yield path, output.read(int.from_bytes(output.read(SIZE_BYTES), "big"))


def _send(storage: Storage, dataset: str, path: str, data: bytes) -> tuple[str, int]:
    """Upload one file, after a decoy where a stale read must show; return its version and the bytes sent."""
    _require_pinned(dataset, path, data)
    bucket, key = bucket_of(dataset, storage.names), key_of(dataset, path)
    sent = 0
    bodies = [data[::-1], data] if dataset in DECOYED else [data]
    if len(data) >= PART:
        _abort_unfinished(storage.s3, bucket, key)
    for body in bodies:
        version = _put(storage.s3, bucket, key, body)
        sent += len(body)
    return version, sent


def _put(s3: S3Client, bucket: str, key: str, data: bytes) -> str:
    """Upload bytes, large ones in parts, and return the version id that they got."""
    kind = KINDS.get(PurePosixPath(key).suffix, "application/octet-stream")
    if len(data) < PART:
        made = s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=kind, ChecksumAlgorithm="SHA256")
        return made.get("VersionId", "null")
    extra = {"ChecksumAlgorithm": "SHA256", "ContentType": kind}
    s3.upload_fileobj(io.BytesIO(data), bucket, key, ExtraArgs=extra, Config=TRANSFER)
    # upload_fileobj does not return the version id.
    return s3.head_object(Bucket=bucket, Key=key).get("VersionId", "null")


def _abort_unfinished(s3: S3Client, bucket: str, key: str) -> None:
    """Abort what a killed seeding left of this object's upload: S3 keeps the parts, and bills them, until then."""
    found = s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
    for upload in (upload for upload in found if upload["Key"] == key):
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _require_pinned(dataset: str, path: str, data: bytes) -> None:
    """Raise Blocked if a generator returns other bytes: a package's hash covers them, also of encoded files."""
    fact = pinned()[f"{dataset}/{path}"]
    if hashlib.sha256(data).hexdigest() == fact["sha256"]:
        return
    if fact["pin"] == "content" and content_sha256(path, data) == fact["content_sha256"]:
        raise Blocked(f"This encoder writes `{dataset}/{path}` in other bytes: install the locked versions (uv sync).")
    raise Blocked(
        f"The generator of `{dataset}/{path}` does not give its pinned bytes: undo its change, "
        "or pin them with `python -m nightproof.datasets.manifest`."
    )
