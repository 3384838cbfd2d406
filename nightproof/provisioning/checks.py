"""The registry of checks: one function per kind; each returns a detail or raises CheckFailed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Final

import httpx
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError
from botocore.exceptions import NoCredentialsError
from botocore.exceptions import PartialCredentialsError
from botocore.exceptions import ProfileNotFound

from nightproof.errors import UsageError
from nightproof.provisioning import aws
from nightproof.provisioning import catalog
from nightproof.provisioning import machine
from nightproof.provisioning.finding import CheckFailed
from nightproof.records import CheckResult
from nightproof.redact import Redactor
from nightproof.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable

    from nightproof.profile import Check
    from nightproof.target import Target

START: Final = "Start the system, or correct its address in the profile."
NO_KEYS: Final = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)
KINDS: Final[dict[str, Callable[[Target, Check], str]]] = {
    "aws-endpoint": aws.endpoint,
    "aws-identity": aws.identity,
    "buckets": aws.buckets,
    "role-limits": aws.role_limits,
    "catalog": catalog.configuration,
    "jwt-preflight": catalog.jwt_preflight,
    "clock-skew": machine.clock_skew,
    "versions": machine.versions,
    "http": machine.http,
}


def title(check: Check) -> str:
    """Return a check's title for people: its name, else its kind and URL; a password in the URL is masked."""
    return Redactor().text(check.name or " ".join(part for part in (check.kind, check.url) if part))


def probe(target: Target, check: Check) -> str:
    """Run a check once; return the detail, or raise CheckFailed with a remedy. Raise UsageError for an unknown kind."""
    require_known((check,))
    try:
        return KINDS[check.kind](target, check)
    except NO_KEYS as error:
        raise CheckFailed(f"no AWS keys: {_said(error)}", aws.KEYS_REMEDY) from error
    except httpx.InvalidURL as error:
        raise CheckFailed(f"the address is no URL: {_said(error)}", "Correct that address in the profile.") from error
    except httpx.RequestError as error:
        raise CheckFailed(f"no answer from {error.request.url}: {_said(error)}", START, transient=True) from error
    except BotoCoreError as error:
        raise CheckFailed(f"no answer: {_said(error)}", START, transient=True) from error
    except ClientError as error:
        said = error.response.get("Error", {})
        detail = f"{error.operation_name} was refused: {said.get('Code')}: {said.get('Message')}"
        remedy = "Give the identity of the harness the permission for this call, or correct its keys."
        raise CheckFailed(detail, remedy) from error


def _said(error: Exception) -> str:
    """Return an error's text in one line without its full stop; a timeout has no text, so its class name is used."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def failed(check: Check, finding: CheckFailed, started: float) -> CheckResult:
    """Return the failed check's record; `started` is a time of the monotonic clock."""
    took = max(0.0, time.monotonic() - started)
    return CheckResult(
        title(check), check.required, ok=False, detail=finding.detail, remedy=finding.remedy, duration_s=took
    )


def verify_strictly(target: Target, check: Check) -> CheckResult:
    """Run a check once; return its record, or raise CheckFailed for callers that retry."""
    started = time.monotonic()
    detail = probe(target, check)
    took = time.monotonic() - started
    return CheckResult(title(check), check.required, ok=True, detail=detail, remedy="", duration_s=took)


def verify(target: Target, check: Check) -> CheckResult:
    """Run a check once and return its record, failed or not."""
    started = time.monotonic()
    try:
        return verify_strictly(target, check)
    except CheckFailed as finding:
        return failed(check, finding, started)


def require_known(checks: Iterable[Check]) -> None:
    """Raise UsageError for a check of a kind that does not exist."""
    for check in checks:
        if check.kind not in KINDS:
            hint = nearest(check.kind, KINDS)
            raise UsageError(f"There is no check `{check.kind}`.{hint} Valid kinds: {', '.join(KINDS)}.")
