"""One night per environment: a file lock on this machine, an expiring lease object on a live target.

The kernel frees the file lock when its holder dies, by whatever cause; a lease expires.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Final

from botocore.exceptions import ClientError
from filelock import FileLock
from filelock import Timeout

from nightproof.config.places import make_state_dir
from nightproof.errors import UsageError
from nightproof.evidence.private import FILE
from nightproof.lifeline import is_alive
from nightproof.report.files import write_atomic
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

LEASE_KEY: Final = ".nightproof/lease.json"
LEASE_LIFE: Final = timedelta(hours=2)  # longer than any night; a dead holder blocks others for at most this long
NOTE_DEADLINE_S: Final = 1.0
HELD_HERE: Final[dict[Path, str]] = {}  # state directory to the run for which this process holds it
HELD: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True)
class Holder:
    """The process and run that hold the environment."""

    pid: int
    run_id: str


@contextmanager
def environment_lock(state_dir: Path, run_id: str) -> Iterator[None]:
    """Hold the state directory for one run; raise UsageError at once, with the holder, if it is taken.

    The holding process may enter again for the same run: it takes the lock before it starts anything, and the run's own
    stages take it once more.
    """
    if HELD_HERE.get(state_dir) == run_id:
        yield
        return
    make_state_dir(state_dir)
    lock = FileLock(state_dir / "environment.lock", mode=FILE, thread_local=False)
    note = state_dir / "environment.holder.json"
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UsageError(_taken(state_dir)) from error
    try:
        HELD_HERE[state_dir] = run_id
        write_atomic(note, json.dumps({"pid": os.getpid(), "run_id": run_id}))
        yield
    finally:
        note.unlink(missing_ok=True)
        HELD_HERE.pop(state_dir, None)
        lock.release()


def require_free(state_dir: Path) -> None:
    """Raise UsageError if the environment is taken. Only an early check: only holding the lock excludes another run."""
    with environment_lock(state_dir, "none yet"):
        pass


def holder(state_dir: Path) -> Holder | None:
    """Return the holder of the environment, or None if its note is missing or incomplete."""
    try:
        noted = json.loads((state_dir / "environment.holder.json").read_text(encoding="utf-8"))
        return Holder(int(noted["pid"]), str(noted["run_id"]))
    except (OSError, ValueError, KeyError):
        return None


def _taken(state_dir: Path) -> str:
    try:  # a holder that has just taken the lock is about to write its note
        who = await_value(lambda: _living_holder(state_dir), NOTE_DEADLINE_S)
    except TimeoutError:
        who = None
    by = f"run `{who.run_id}` (process {who.pid})" if who else "another run"
    return f"The environment in `{state_dir}` is locked by {by}: wait for its end, or stop it."


def _living_holder(state_dir: Path) -> Holder | None:
    """Return the holder, or None if the note was left by a killed run."""
    found = holder(state_dir)
    return found if found and is_alive(found.pid) else None


@contextmanager
def lease(s3: S3Client, bucket: str, run_id: str, life: timedelta = LEASE_LIFE) -> Iterator[None]:
    """Hold a live environment across machines; raise UsageError while another run's lease has not expired."""
    tag = _take(s3, bucket, run_id, life)
    try:
        yield
    finally:
        if _etag(s3, bucket) == tag:  # an expired lease may already be another run's
            s3.delete_object(Bucket=bucket, Key=LEASE_KEY)


def _take(s3: S3Client, bucket: str, run_id: str, life: timedelta) -> str:
    body = json.dumps({"run_id": run_id, "expires": (datetime.now(UTC) + life).isoformat()}).encode()
    try:
        return s3.put_object(Bucket=bucket, Key=LEASE_KEY, Body=body, IfNoneMatch="*")["ETag"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in HELD:
            raise
    answer = s3.get_object(Bucket=bucket, Key=LEASE_KEY)
    held = json.loads(answer["Body"].read())
    if datetime.fromisoformat(held["expires"]) > datetime.now(UTC):
        raise UsageError(
            f"The live environment is leased by run `{held['run_id']}` until {held['expires']}: wait for its end, "
            f"or delete `s3://{bucket}/{LEASE_KEY}` when that run is known to be dead."
        )
    # Only the run that replaces exactly this expired lease gets it; a rival's attempt fails on the ETag.
    return s3.put_object(Bucket=bucket, Key=LEASE_KEY, Body=body, IfMatch=answer["ETag"])["ETag"]


def _etag(s3: S3Client, bucket: str) -> str:
    try:
        return s3.head_object(Bucket=bucket, Key=LEASE_KEY)["ETag"]
    except ClientError:
        return ""
