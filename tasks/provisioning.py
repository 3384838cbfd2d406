"""Provisioning checks, one task each, retried while a finding is transient."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.errors import Blocked
from nightproof.night import start_target
from nightproof.progress import announce
from nightproof.provisioning import CheckFailed
from nightproof.provisioning import failed
from nightproof.provisioning import title
from nightproof.provisioning import verify_strictly
from tasks.masking import task

if TYPE_CHECKING:
    from nightproof.night import Night
    from nightproof.profile import Check
    from nightproof.records import CheckResult

RETRIES: Final = 2
RETRY_DELAYS_S: Final = [0.5, 2.0]


@task("start")
def start(night: Night) -> None:
    """Start the testbed, or resolve the live systems."""
    with night.stage("start"):
        start_target(night)


def provision(night: Night) -> None:
    """Run every check in parallel; raise Blocked when a required one fails."""
    with night.stage("provision"):
        begun = time.monotonic()
        asked = [(check, ask.submit(night, check, title(check))) for check in night.plan.profile.checks]
        for done, (check, future) in enumerate(asked, start=1):
            night.checks.append(_record(check, future.result(raise_on_failure=False), begun))
            announce("provision", title(check), done, len(asked))
    for result in night.checks:
        if result.required and not result.ok:
            raise Blocked(f"{result.name}: {result.detail}. {result.remedy}")


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, CheckFailed) and error.transient


@task(
    name="check", task_run_name="check {label}", retries=RETRIES, retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=_is_transient,
)  # fmt: skip
def ask(night: Night, check: Check, label: str) -> CheckResult:
    """Run one check; Prefect retries it while the finding is transient."""
    del label  # names the task run
    return verify_strictly(night.systems, check)


def _record(check: Check, found: Any, begun: float) -> CheckResult:
    if isinstance(found, CheckFailed):
        return failed(check, found, begun)
    if isinstance(found, BaseException):
        raise found
    result: CheckResult = found
    return result
