"""Put packages in place: half through the catalog's packageConstruct, half by the quilt3 library."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote

import requests
from botocore.exceptions import ClientError

from nightproof.datasets.catalogue import bucket_of
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.manifest import pinned
from nightproof.datasets.manifest import pins
from nightproof.datasets.put import digest
from nightproof.errors import Blocked
from nightproof.records import SeedResult
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from nightproof.datasets.catalogue import Revision
    from nightproof.datasets.put import Storage

POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
TIMEOUT_S: Final = 120
APART_S: Final = 1.1  # a pointer is named after its second
CONSTRUCT: Final = (
    "mutation PackageConstruct($params: PackagePushParams!, $src: PackageConstructSource!) {"
    " packageConstruct(params: $params, src: $src) { __typename ... on PackagePushSuccess { revision { hash } }"
    " ... on InvalidInput { errors { message } } ... on OperationError { message } } }"
)
DELETE: Final = (
    "mutation DeleteRevision($bucket: String!, $name: String!, $hash: String!) {"
    " packageRevisionDelete(bucket: $bucket, name: $name, hash: $hash) { __typename } }"
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The catalog as an admin, and the environment of a quilt3 child."""

    registry_url: str
    access_token: str
    child_env: Mapping[str, str]

    def ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Send one mutation and give its data."""
        answer = requests.post(
            f"{self.registry_url}/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {self.access_token}"},
            timeout=(5, TIMEOUT_S),
        )
        if not answer.ok:
            raise Blocked(f"The catalog answered the seeding with HTTP {answer.status_code}: look at its log.")
        found: dict[str, Any] = answer.json()["data"]
        return found


def put_packages(
    storage: Storage, catalog: Catalog, name: str, revisions: Sequence[Revision], *, in_order: bool
) -> SeedResult:
    """Push what is missing or damaged; `in_order` keeps the order and a second between pushes."""
    started = time.monotonic()
    facts = pins()
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda revision: _state(storage, revision, facts), revisions))
    wrong = [(revision, state) for revision, state in zip(revisions, states, strict=True) if state]
    packages = {revision.package for revision, _ in wrong}
    again = [revision for revision in revisions if revision.package in packages]
    if in_order:
        _push_in_order(storage, catalog, again, facts)
    else:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda revision: _construct(storage, catalog, revision, facts), again))
    note_pointers(storage, revisions)
    damaged = [f"{revision.package}: {state}" for revision, state in wrong if state != "missing"]
    hashes = "".join(revision.expected(facts) for revision in revisions)
    return SeedResult(
        name=name, kind="package", files=len(revisions), bytes=0, sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        generated_bytes=0, uploaded_bytes=0, repaired=len(damaged), duration_s=time.monotonic() - started,
        repairs=tuple(damaged),
    )  # fmt: skip


def _state(storage: Storage, revision: Revision, facts: dict[str, tuple[str, int]]) -> str:
    """Say what is wrong with a revision: nothing, `missing`, or the damage in words."""
    expected = revision.expected(facts)
    pointers = pointers_of(storage, revision)
    if not pointers:
        return "missing"
    newest = revision.label in {"latest", "v2"}
    if newest and pointers.get("latest") != expected:
        return "the latest pointer names another revision"
    if expected not in {value for tag, value in pointers.items() if tag != "latest"}:
        return f"no pointer names revision {revision.label}"
    return _manifest_state(storage, revision, expected)


def pointers_of(storage: Storage, revision: Revision) -> dict[str, str]:
    """Read the pointers of a revision's package: `latest` or a Unix second, to a top hash."""
    prefix = f"{POINTERS}{revision.package}/"
    listed = storage.s3.list_objects_v2(Bucket=revision.bucket, Prefix=prefix).get("Contents", [])
    return {item["Key"].removeprefix(prefix): _read(storage, revision.bucket, item["Key"]).decode() for item in listed}


def _read(storage: Storage, bucket: str, key: str) -> bytes:
    with storage.s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
        return body.read()


def _manifest_state(storage: Storage, revision: Revision, expected: str) -> str:
    try:
        lines = _read(storage, revision.bucket, MANIFESTS + expected).splitlines()
        entries = {entry["logical_key"]: entry for entry in map(json.loads, lines[1:]) if "physical_keys" in entry}
    except (ClientError, ValueError, KeyError):
        return "the manifest is missing or unreadable"
    if entries.keys() != revision.entries.keys():
        return "the manifest has other entries"
    for key, source in revision.entries.items():
        dataset, path = source.split("/", 1)
        version = entries[key]["physical_keys"][0].split("?versionId=", 1)[1]
        is_current = version == storage.placement.version(dataset, path)
        if not is_current and digest(storage, dataset, path, version) != pinned()[source]["sha256"]:
            return f"the entry `{key}` names a damaged version"
    return ""


def _push_in_order(
    storage: Storage, catalog: Catalog, revisions: Sequence[Revision], facts: dict[str, tuple[str, int]]
) -> None:
    last = 0.0
    for revision in revisions:
        await_value(partial(_has_passed, last + APART_S), 5)
        push = _push_by_quilt3 if revision.by_quilt3 else _construct
        push(storage, catalog, revision, facts)
        last = time.monotonic()


def _has_passed(moment: float) -> bool:
    return time.monotonic() >= moment


def _construct(storage: Storage, catalog: Catalog, revision: Revision, facts: dict[str, tuple[str, int]]) -> None:
    params = {
        "bucket": revision.bucket,
        "name": revision.package,
        "message": revision.message,
        "userMeta": revision.metadata,
    }
    entries = [{"logicalKey": key, "physicalKey": _uri(storage, source)} for key, source in revision.entries.items()]
    arm = catalog.ask(CONSTRUCT, {"params": params, "src": {"entries": entries}})["packageConstruct"]
    _require_hash(revision, arm.get("revision", {}).get("hash", str(arm)), facts)


def _push_by_quilt3(storage: Storage, catalog: Catalog, revision: Revision, facts: dict[str, tuple[str, int]]) -> None:
    """Push in a child process: quilt3 fixes its folders at import, and ours must not be the user's."""
    request = {
        "name": revision.package, "registry": f"s3://{revision.bucket}", "message": revision.message,
        "metadata": revision.metadata,
        "entries": {key: _uri(storage, source) for key, source in revision.entries.items()},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as home:
        folders = {"HOME": home, "XDG_DATA_HOME": f"{home}/data", "XDG_CACHE_HOME": f"{home}/cache"}
        child = subprocess.run(
            [sys.executable, "-m", "nightproof.datasets.quilt3_push"],
            input=json.dumps(request), env={"PATH": os.environ["PATH"], **catalog.child_env, **folders},
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    if child.returncode:
        raise Blocked(f"quilt3 could not push `{revision.package}`: {child.stderr.strip().splitlines()[-1:]}")
    _require_hash(revision, child.stdout.strip().splitlines()[-1], facts)


def _require_hash(revision: Revision, found: str, facts: dict[str, tuple[str, int]]) -> None:
    if found != revision.expected(facts):
        raise Blocked(
            f"The package `{revision.package}` got the hash {found[:100]} instead of {revision.expected(facts)}: "
            "compare the hash algorithm of client and catalog."
        )


def _uri(storage: Storage, source: str) -> str:
    dataset, path = source.split("/", 1)
    version = storage.placement.version(dataset, path)
    return f"s3://{bucket_of(dataset, storage.names)}/{quote(key_of(dataset, path))}?versionId={version}"


def note_pointers(storage: Storage, revisions: Sequence[Revision]) -> None:
    """Keep the baseline's pointer times: the order of a search depends on them."""
    wanted = {revision.package: revision for revision in revisions if revision.package.startswith("test-user/")}
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda revision: (revision.package, pointers_of(storage, revision)), wanted.values())
        for package, pointers in found:
            storage.placement.put_pointers(package, {tag: value for tag, value in pointers.items() if tag != "latest"})
    storage.placement.save()


def create_and_delete(storage: Storage, catalog: Catalog, bucket: str) -> None:
    """Leave the traces of a package that once existed, so that listings which show the dead are noticed."""
    name = "test-user/deleted-pkg"
    if storage.s3.list_object_versions(Bucket=bucket, Prefix=f"{POINTERS}{name}/").get("DeleteMarkers"):
        return
    params = {"bucket": bucket, "name": name, "message": "Baseline: deleted", "userMeta": None}
    made = catalog.ask(CONSTRUCT, {"params": params, "src": {"entries": []}})["packageConstruct"]
    catalog.ask(DELETE, {"bucket": bucket, "name": name, "hash": made["revision"]["hash"]})
