"""Put the seeds in place, one task per dataset or package set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.errors import Blocked
from nightproof.progress import announce
from nightproof.seeds import seed_jobs
from tasks.masking import task

if TYPE_CHECKING:
    from nightproof.night import Night
    from nightproof.records import SeedResult
    from nightproof.seeds import SeedJob


def seed(night: Night) -> None:
    """Run the seed jobs in dependency order; raise Blocked at the first failure, as the tests would miss its data."""
    with night.stage("seed"):
        jobs = seed_jobs(night)
        for done, job in enumerate(jobs, start=1):
            announce("seed", job.name, done, len(jobs))
            found = plant(job, job.name, return_state=True).result(raise_on_failure=False)
            if isinstance(found, Exception):
                raise Blocked(f"The seed `{job.name}` failed: {found}") from found
            night.seeds.append(found)


@task("seed", task_run_name="seed {label}", retries=1, retry_delay_seconds=1)
def plant(job: SeedJob, label: str) -> SeedResult:
    """Put one seed in place; seeds are content-addressed, so a repetition uploads only what is missing."""
    del label  # names the task run
    return job.run()
