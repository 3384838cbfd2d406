"""The seeds of a night: the jobs of the datasets room, bound to a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.night import Night
    from nightproof.records import SeedResult
    from nightproof.target import Target


@dataclass(frozen=True, slots=True)
class SeedJob:
    """One seed: its name and how to put it in place."""

    name: str
    run: Callable[[], SeedResult]


def jobs_of(target: Target) -> tuple[SeedJob, ...]:
    """Give the jobs of a target in dependency order."""
    if not target.profile.datasets:
        return ()
    raise NotImplementedError


def seed_jobs(night: Night) -> tuple[SeedJob, ...]:
    """Give the jobs of a night."""
    return jobs_of(night.systems)


def seed_target(target: Target, progress: Callable[[str, int, int], None]) -> tuple[SeedResult, ...]:
    """Put every seed in place."""
    jobs = jobs_of(target)
    results = []
    for done, job in enumerate(jobs, start=1):
        progress(job.name, done, len(jobs))
        results.append(job.run())
    return tuple(results)
