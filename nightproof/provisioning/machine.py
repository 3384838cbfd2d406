"""Checks of this machine against its surroundings: clock, installed versions, and URLs of foreign suites."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import TYPE_CHECKING
from typing import Final

import httpx
from packaging.requirements import Requirement

from nightproof.provisioning.finding import CheckFailed

if TYPE_CHECKING:
    from nightproof.profile import Check
    from nightproof.target import Target

TIMEOUT_S: Final = 15
MOST_SKEW_S: Final = 30.0  # tokens are verified without leeway, and shortened ones live only for minutes


def clock_skew(target: Target, check: Check) -> str:
    """Check that the systems' clocks agree with ours within 30 s; an HTTP date has a resolution of one second."""
    urls = [url for url in (check.url, target.catalog_url, target.aws_url) if url]
    if not urls:
        raise CheckFailed("there is no URL to ask for the time", "Give the check a `url` in the profile.")
    skews = {url: skew for url in urls if (skew := _skew(url)) is not None}
    if not skews:
        raise CheckFailed(
            f"{', '.join(urls)} states no time", "Give the check the `url` of a server that sends a Date."
        )
    url, worst = max(skews.items(), key=lambda pair: pair[1])
    if worst > MOST_SKEW_S:
        raise CheckFailed(f"{url} is {worst:.0f} s away from our clock", "Synchronise the clocks of both machines.")
    return f"at most {worst:.0f} s apart"


def _skew(url: str) -> float | None:
    """Return the seconds between a server's clock and ours, or None if it sends no valid Date."""
    stated = httpx.get(url, timeout=TIMEOUT_S).headers.get_list("date")
    try:
        # A server behind a proxy may send two Date headers; the first is used.
        moment = parsedate_to_datetime(stated[0]).replace(tzinfo=UTC)  # an HTTP date is always GMT
    except (IndexError, ValueError):
        return None
    return abs((datetime.now(UTC) - moment).total_seconds())


def versions(_target: Target, _check: Check) -> str:
    """Check that the installed packages satisfy this project's requirements."""
    wrong = []
    required = [Requirement(line) for line in metadata.requires("nightproof") or ()]
    for requirement in required:
        installed = _installed(requirement.name)
        if installed is None or not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed or 'missing'} (wanted {requirement.specifier or 'any'})")
    if wrong:
        raise CheckFailed("; ".join(wrong), "Run `uv sync --frozen`.")
    return f"{len(required)} packages as pinned"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def http(_target: Target, check: Check) -> str:
    """Check that a URL of a foreign suite answers 200, after redirects."""
    if not check.url:
        raise CheckFailed("the check has no `url`", "Give the check a `url` in the profile.")
    answer = httpx.get(check.url, timeout=TIMEOUT_S, follow_redirects=True)
    if answer.status_code != httpx.codes.OK:
        detail = f"{check.url} answers {answer.status_code}"
        raise CheckFailed(
            detail, "Start the system, or correct the URL in the profile.", transient=answer.is_server_error
        )
    return f"{check.url} answers 200"
