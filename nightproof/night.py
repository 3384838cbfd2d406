"""The state of one night while it runs: its results so far, the time of each stage, and what must end with it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import time
from contextlib import ExitStack
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Literal

from nightproof.config.loader import load
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.evidence.private import FOLDER
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.ledger import CatalogAdmin
from nightproof.ledger import CleanContext
from nightproof.ledger import GlueDatabase
from nightproof.locking import environment_lock
from nightproof.locking import lease
from nightproof.plan import Choice
from nightproof.plan import RunPlan
from nightproof.plan import catalogued
from nightproof.plan import make_plan
from nightproof.progress import announce
from nightproof.quilt import create_quilt_ops
from nightproof.redact import Redactor
from nightproof.runner.cell import GroupRegistry
from nightproof.target import Target
from nightproof.target import open_target
from nightproof.verdict.cause import HARNESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.profile import Secrets
    from nightproof.records import CheckResult
    from nightproof.records import LedgerAudit
    from nightproof.records import RunReport
    from nightproof.records import SeedResult
    from nightproof.records import SlackDelivery

Interruption = Literal["SIGINT", "SIGTERM", "cancelled"]
STOP_GRACE_S: Final = 5.0
RESERVED: Final = ".reserved"
RESERVE_BYTES: Final = 4 * 1024 * 1024
REPORTED_VERSIONS: Final = ("nightproof", "prefect", "quilt3", "pytest", "boto3", "ministack")


class Night:
    """The state of one run; stages add to it, and the verdict is computed from it.

    Not a dataclass on purpose: Prefect walks dataclasses that are task parameters, looking for futures.
    """

    def __init__(self, plan: RunPlan, secrets: Secrets) -> None:
        self.plan = plan
        self.secrets = secrets
        self.redactor = Redactor(secrets.values())
        self.groups = GroupRegistry()
        self.held = ExitStack()
        self.target: Target | None = None
        self.checks: list[CheckResult] = []
        self.seeds: list[SeedResult] = []
        self.swept = 0
        self.findings: list[str] = []
        self.audit: LedgerAudit | None = None
        self.stages: dict[str, float] = {}
        self.blocked = ""
        self.interrupted: Interruption | None = None
        self.violations: list[str] = []
        self.system_deaths: tuple[str, ...] = ()
        self.builds: dict[str, str] = {}
        self.is_void = False
        self.report: RunReport | None = None
        self.slack: SlackDelivery | None = None
        self.run_link = ""

    @property
    def run_dir(self) -> Path:
        """The directory of this run's files."""
        return self.plan.run_dir

    @property
    def systems(self) -> Target:
        """The started target; raises UsageError before the stage `start`."""
        if self.target is None:
            raise UsageError("The target is not started: run the stage `start` first.")
        return self.target

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce and time a stage, however it ends; repeated stages add up."""
        announce(name)
        started = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - started
            self.stages[name] = round(self.stages.get(name, 0.0) + took, 3)

    def interrupt(self, how: Interruption) -> None:
        """Record the interruption and stop every process group of a suite, so that nothing writes during cleanup."""
        self.interrupted = how
        announce("interrupted", how)
        self.groups.stop_all(STOP_GRACE_S)

    def note_faults(self, ends: list[Any]) -> None:
        """Record the harness's own errors as violations; a cell without events also shows as `not_run`."""
        faults = [end for end in ends if isinstance(end, BaseException)]
        if self.system_deaths:  # cells stopped by the death are no faults of their own
            faults = [fault for fault in faults if not isinstance(fault, Interrupted)]
        # Our own errors are sentences; any other needs its class name to be understood.
        kinds = ["" if isinstance(fault, NightproofError) else f"{type(fault).__name__}: " for fault in faults]
        self.violations += [f"{HARNESS}{kind}{fault}" for kind, fault in zip(kinds, faults, strict=True)]

    def note_deaths(self) -> tuple[str, ...]:
        """Add the testbed systems that have died; return all that died in this night."""
        if self.target is not None:
            self.system_deaths = tuple(sorted({*self.system_deaths, *self.target.deaths()}))
        return self.system_deaths

    def make_room(self) -> None:
        """Create the run directory and reserve 4 MiB for the report, so that it can be written even to a full disk."""
        try:
            private_folder(self.run_dir.parent)
            self.run_dir.mkdir(FOLDER)
            with private_file(self._reserved).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            shutil.rmtree(self.run_dir, ignore_errors=True)
            self.held.close()
            raise UsageError(
                f"`{self.run_dir}` cannot hold a report of {RESERVE_BYTES} bytes ({error.strerror}): "
                "free space or correct permissions there, or set state_dir in the profile."
            ) from error

    def release_reserve(self) -> None:
        """Free the reserved space for the last files; safe to repeat."""
        self._reserved.unlink(missing_ok=True)

    @property
    def _reserved(self) -> Path:
        return self.run_dir / RESERVED

    def void(self) -> bool:
        """Mark the night void if no stage but `start` ran; return whether it is. Later results are never deleted."""
        self.is_void = self.stages.keys() <= {"start"}
        return self.is_void

    def clean_context(self, *, keep: bool = False) -> CleanContext | None:
        """Return the context of a cleanup, or None if the target must not be written to."""
        return clean_context(self.target, keep=keep or self.plan.choice.keep_resources)

    def versions(self) -> dict[str, str]:
        """Return the versions of the interpreter, the main packages and each suite's own environment."""
        found = {"python": platform.python_version()}
        for name in REPORTED_VERSIONS:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
        return found | {
            f"{name} of {cell.suite}": version
            for cell in self.plan.cells
            for name, version in cell.world.versions().items()
        }


def clean_context(target: Target | None, *, keep: bool = False) -> CleanContext | None:
    """Return the context of a cleanup (writable buckets, the seeder's client), or None on a read-only target."""
    if target is None or not target.profile.has_buckets or "write" not in target.profile.offers:
        return None
    names = target.profile.names
    writable = frozenset({names.bucket_work, names.bucket_scratch})
    sources = writable | {names.bucket_data}
    return CleanContext(
        target.seeder_s3(), writable, sources, keep=keep, catalog=_catalog_admin(target), glue=_glue_database(target)
    )  # fmt: skip


def _glue_database(target: Target) -> GlueDatabase | None:
    """Return the database of external tables, or None if the target offers no Athena."""
    if "athena" not in target.profile.offers:
        return None
    return GlueDatabase(target.aws_client("glue", "ci-seeder"), target.profile.names.glue_database)


def _catalog_admin(target: Target) -> CatalogAdmin | None:
    """Return the catalog as its admin, who deletes users and tables, or None without an admin's token."""
    credentials = target.credentials(target.profile.names.admin)
    if credentials is None or "admin" not in target.profile.offers:
        return None
    return CatalogAdmin(
        lambda: create_quilt_ops("platform", catalog_url=target.catalog_url, registry=None, credentials=credentials)
    )


def open_night(profile_given: str, choice: Choice, run_id: str) -> Night:
    """Plan the night, lock its environment and compare suites with their locks; raise UsageError, leaving no file."""
    told = load(profile_given)
    plan = make_plan(told.profile, choice, run_id, profile_given)
    night = Night(plan, told.secrets)
    try:
        night.held.enter_context(environment_lock(plan.state_dir, run_id))
        night.plan = catalogued(plan, night.redactor, profile_given)
    except BaseException:
        night.held.close()  # a signal while collecting must free the environment too
        raise
    night.make_room()
    _point_latest(plan.run_dir)
    return night


def start_target(night: Night) -> None:
    """Start or resolve the systems, register their secrets for masking, and lease a live environment."""
    night.target = open_target(night.plan.profile, night.secrets, lambda line: announce("start", line))
    night.redactor.register(*night.target.secret_values())
    profile = night.plan.profile
    if profile.target == "live" and profile.has_buckets and "write" in profile.offers:
        s3: Any = night.target.aws_client("s3", "ci-runner")
        night.held.enter_context(lease(s3, profile.names.bucket_scratch, night.plan.run_id))
    night.builds = night.target.versions


def close_night(night: Night) -> None:
    """Stop the target and free the environment; safe to repeat."""
    if night.target is not None:
        night.target.stop()
    if night.is_void:
        shutil.rmtree(night.run_dir, ignore_errors=True)
    night.held.close()


def _point_latest(run_dir: Path) -> None:
    """Replace the link `latest` in one step, so that a reader always finds it."""
    fresh = run_dir.with_name(f".latest-{run_dir.name}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(run_dir.name, target_is_directory=True)
    fresh.replace(run_dir.with_name("latest"))


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
