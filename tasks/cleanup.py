"""The sweep before the tests and the cleanup after them: both by the ledger, both safe to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof import conclusion
from tasks.masking import task

if TYPE_CHECKING:
    from nightproof.night import Night


@task("sweep")
def sweep(night: Night) -> None:
    """Delete what earlier runs left behind."""
    with night.stage("sweep"):
        conclusion.sweep(night)


@task("clean up")
def clean_up(night: Night) -> None:
    """Delete what this night created, and verify by a listing that it is gone."""
    with night.stage("cleanup"):
        conclusion.settle(night)
