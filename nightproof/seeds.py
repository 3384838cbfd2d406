"""The seeds of a night: the jobs of `nightproof.datasets`, bound to a target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nightproof.datasets import plan
from nightproof.datasets.locate import locate
from nightproof.datasets.placement import Placement
from nightproof.datasets.push import Catalog
from nightproof.datasets.put import Storage
from nightproof.datasets.tables import stored_tables
from nightproof.environment import seeder_environment
from nightproof.errors import Blocked
from nightproof.errors import UsageError
from nightproof.evidence.suite import load_suite
from nightproof.quilt.exceptions import AuthenticationError
from nightproof.quilt.exceptions import QuiltOpsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from nightproof.night import Night
    from nightproof.profile import Profile
    from nightproof.records import SeedResult
    from nightproof.target import Target


@dataclass(frozen=True, slots=True)
class SeedJob:
    """One seed: its name and the function that puts it in place."""

    name: str
    run: Callable[[], SeedResult]


def jobs_of(target: Target) -> tuple[SeedJob, ...]:
    """Return a night's seed jobs in dependency order; without `write`, one job that only looks for the seeds."""
    wanted = _wanted(target.profile)
    if target.profile.datasets and "write" in target.profile.offers:
        return _writing(target, wanted)
    return (SeedJob("located", partial(_locate, target, wanted)),) if wanted else ()


def _wanted(profile: Profile) -> tuple[str, ...]:
    """Return the datasets of the profile and those of its suites, without duplicates."""
    read = (dataset for suite in profile.suite for dataset in load_suite(suite.path).datasets)
    return tuple(dict.fromkeys([*profile.datasets, *read]))


def _writing(target: Target, datasets: Sequence[str]) -> tuple[SeedJob, ...]:
    storage = _storage(target)
    signed_in: list[Catalog] = []

    def catalog() -> Catalog:
        if not signed_in:
            signed_in.append(_sign_in(target))
        return signed_in[0]

    return tuple(SeedJob(name, run) for name, run in plan.jobs(storage, catalog, datasets))


def _locate(target: Target, datasets: Sequence[str]) -> SeedResult:
    plan.require_known(datasets)
    remedy = "put them there with `nightproof seed` under a profile that declares the need `write`."
    storage, names = _storage(target), target.profile.names
    is_asked = {"admin", "athena"} & set(target.profile.offers)
    tables = stored_tables(_sign_in(target, names.user), names) if is_asked else None
    return locate(storage, datasets, remedy, tables)


def _storage(target: Target) -> Storage:
    return Storage(target.seeder_s3(), target.profile.names, Placement(target.state_dir / "placement.json"))


def _sign_in(target: Target, user: str = "") -> Catalog:
    """Exchange a user's refresh token (by default the admin's), and return the catalog for a quilt3 process."""
    names = target.profile.names
    user = user or names.admin
    if not target.refresh_token(user):
        variable = "NIGHTPROOF_ADMIN_REFRESH_TOKEN" if user == names.admin else "NIGHTPROOF_REFRESH_TOKEN"
        raise Blocked(f"There is no refresh token of `{user}`: set {variable}.")
    if not target.registry_url:
        raise Blocked(
            f"The catalog `{target.catalog_url}` does not say where its registry is: start the catalog, "
            "or correct [endpoints] catalog in the profile."
        )
    try:
        access_token = target.access_token(user, anew=True)
    except AuthenticationError as error:
        raise Blocked(f"The catalog refused the refresh token of `{user}`: renew the token.") from error
    except QuiltOpsError as error:
        cause = error.context.get("original_exception")
        raise Blocked(
            f"The registry `{target.registry_url}` gave no answer ({cause}): start it, then run again."
        ) from error
    return Catalog(target.registry_url, access_token, seeder_environment(target))


def seed_jobs(night: Night) -> tuple[SeedJob, ...]:
    """Return the seed jobs of a night."""
    return jobs_of(night.systems)


def seed_target(target: Target, progress: Callable[[str, int, int], None]) -> tuple[SeedResult, ...]:
    """Put every seed of the profile and its suites in place; raise UsageError if the profile lacks `write`."""
    if "write" not in target.profile.offers:
        raise UsageError(
            f"The profile `{target.profile.name}` is read-only: add `write` to its `needs` to put seeds in place."
        )
    jobs = _writing(target, _wanted(target.profile))
    results = []
    for done, job in enumerate(jobs, start=1):
        progress(job.name, done, len(jobs))
        results.append(job.run())
    return tuple(results)
